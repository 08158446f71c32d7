//! What the program's exit tells a script.

use std::process::ExitCode;

use client::Error;

/// What the caller asked for makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadArguments(pub(crate) String);

/// Anything that has no code of its own.
const FAILED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;
const REFUSED: u8 = 3;
const UNREACHABLE: u8 = 4;
const CUT_OFF: u8 = 5;

/// The codes as `--help` tells them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, or ended with Ctrl-C
  1  failed in another way
  2  bad arguments, configuration or audio file
  3  refused by the server (token, station busy or unknown, ...)
  4  server unreachable
  5  cut off: it worked, then the connection or the right to it was lost";

/// Prints a failure, once, and chooses the code.
pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("skywave: {error:#}");
    ExitCode::from(number(&error))
}

fn number(error: &anyhow::Error) -> u8 {
    let told = error.chain().find_map(|cause| {
        if cause.is::<BadArguments>() {
            return Some(BAD_ARGUMENTS);
        }
        Some(match cause.downcast_ref::<Error>()? {
            Error::BadArguments(_) => BAD_ARGUMENTS,
            Error::Refused { .. } => REFUSED,
            Error::Unreachable { .. } => UNREACHABLE,
            Error::CutOff(_) => CUT_OFF,
            _ => FAILED,
        })
    });
    told.unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_code_follows_the_cause_through_any_context() {
        let cut_off: Result<(), _> = Err(Error::CutOff("x".into()));
        let error = cut_off.context("while publishing").unwrap_err();
        assert_eq!(number(&error), CUT_OFF);
        assert_eq!(number(&BadArguments("x".into()).into()), BAD_ARGUMENTS);
        assert_eq!(number(&anyhow::anyhow!("x")), FAILED);
    }
}
