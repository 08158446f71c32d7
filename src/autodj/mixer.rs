//! Tracks one after the other: without a gap, or faded into each other.
//!
//! Sans-IO: sound comes in piece by piece, the mix is asked for in blocks. All of it is
//! interleaved stereo at 48 kHz; lengths are in samples per channel.

use std::collections::VecDeque;
use std::f32::consts::FRAC_PI_2;

/// Sound kept ready of each track beyond what a cross-fade takes: a second.
const AHEAD: usize = 48_000;

/// A track that is cut short fades for at least 50 ms: no click.
const CUT: usize = 2_400;

/// A track's number, of the caller's choice.
pub(crate) type Token = u64;

/// What the mixer lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Another track: [`Mixer::load`].
    Track,
    /// More sound of that one, or its end.
    Sound(Token),
}

/// Two tracks at most: what plays and what comes.
#[derive(Debug)]
pub(crate) struct Mixer {
    crossfade: usize,
    playing: Option<Deck>,
    next: Option<Deck>,
    /// Length and position of the cross-fade under way.
    crossing: Option<(usize, usize)>,
    started: VecDeque<(usize, Token)>,
}

#[derive(Debug)]
struct Deck {
    token: Token,
    sound: VecDeque<f32>,
    ended: bool,
    /// Whether its start was told.
    told: bool,
    /// Whether it ends before its time.
    cut: bool,
}

impl Mixer {
    /// A mixer that fades tracks into each other over so many samples; 0 joins them.
    pub(crate) fn new(crossfade: usize) -> Self {
        Self {
            crossfade,
            playing: None,
            next: None,
            crossing: None,
            started: VecDeque::new(),
        }
    }

    /// What it lacks most. While it lacks nothing it holds a second and a cross-fade of
    /// each track.
    pub(crate) fn want(&self) -> Option<Want> {
        let lacks = |deck: &Deck| !deck.ended && deck.samples() < self.crossfade + AHEAD;
        let Some(playing) = &self.playing else {
            return match &self.next {
                Some(next) if lacks(next) => Some(Want::Sound(next.token)),
                Some(_) => None,
                None => Some(Want::Track),
            };
        };
        match &self.next {
            _ if lacks(playing) => Some(Want::Sound(playing.token)),
            None if playing.ended => Some(Want::Track),
            Some(next) if lacks(next) => Some(Want::Sound(next.token)),
            _ => None,
        }
    }

    /// The track that comes next.
    pub(crate) fn load(&mut self, token: Token) {
        let deck = Deck {
            token,
            sound: VecDeque::new(),
            ended: false,
            told: false,
            cut: false,
        };
        self.next = Some(deck);
    }

    /// More sound of a track.
    pub(crate) fn push(&mut self, token: Token, sound: &[f32]) {
        if let Some(deck) = self.deck(token).filter(|deck| !deck.ended) {
            deck.sound.extend(sound);
        }
    }

    /// A track has no more sound.
    pub(crate) fn end(&mut self, token: Token) {
        if let Some(deck) = self.deck(token) {
            deck.ended = true;
        }
    }

    /// Ends what plays before its time: it fades into what comes next. Whether anything
    /// was cut.
    pub(crate) fn skip(&mut self) -> bool {
        if self.crossing.is_some() {
            return false;
        }
        let keep = self.crossfade.max(CUT);
        let Some(playing) = &mut self.playing else {
            return false;
        };
        (playing.ended, playing.cut) = (true, true);
        playing.sound.truncate(keep * 2);
        true
    }

    /// Fills `out`; answers how many samples it filled. Fewer than asked for means that
    /// it wants something.
    pub(crate) fn mix(&mut self, out: &mut [f32]) -> usize {
        let total = out.len() / 2;
        let mut done = 0;
        while done < total {
            let room = &mut out[done * 2..];
            let step = match self.crossing {
                Some((length, at)) => self.cross(room, length, at),
                None => self.play(room, done),
            };
            match step {
                Some(samples) => done += samples,
                None => break,
            }
        }
        done
    }

    /// The next track that began to sound, and at which sample of the last block.
    pub(crate) fn poll_started(&mut self) -> Option<(usize, Token)> {
        self.started.pop_front()
    }

    /// The track that was loaded and did not begin to sound.
    pub(crate) fn unheard(&self) -> Option<Token> {
        let next = self.next.as_ref().filter(|next| !next.told);
        next.map(|next| next.token)
    }

    /// Plays one track alone; none when it lacks something. It may play nothing and yet
    /// get on, from one track to the next.
    fn play(&mut self, out: &mut [f32], offset: usize) -> Option<usize> {
        let fade = self.fade();
        let Some(playing) = &mut self.playing else {
            let next = self
                .next
                .take_if(|next| next.ended || !next.sound.is_empty())?;
            self.playing = Some(next);
            return Some(0);
        };
        if !playing.told {
            playing.told = true;
            self.started.push_back((offset, playing.token));
        }
        let left = playing.samples();
        if playing.ended && left == 0 {
            self.playing = None;
            return Some(0);
        }
        let next = self.next.as_mut();
        let next = next.filter(|next| next.ended || next.samples() >= fade.min(left));
        if playing.ended
            && left <= fade
            && let Some(next) = next
        {
            next.told = true;
            self.started.push_back((offset, next.token));
            self.crossing = Some((left, 0));
            return Some(0);
        }
        // What may be needed for a cross-fade stays until it is known how the track ends.
        let keep = match playing.ended && (left <= fade || self.next.is_none()) {
            true => 0,
            false => fade,
        };
        let count = left.saturating_sub(keep).min(out.len() / 2);
        for (to, from) in out.iter_mut().zip(playing.sound.drain(..count * 2)) {
            *to = from;
        }
        (count > 0).then_some(count)
    }

    /// Plays two tracks with equal power together.
    fn cross(&mut self, out: &mut [f32], length: usize, at: usize) -> Option<usize> {
        let (Some(playing), Some(next)) = (&mut self.playing, &mut self.next) else {
            self.crossing = None;
            return Some(0);
        };
        if at == length {
            self.playing = self.next.take();
            self.crossing = None;
            return Some(0);
        }
        let count = (length - at).min(out.len() / 2).min(playing.samples());
        let count = count.min(next.samples());
        let (old, new) = (
            playing.sound.drain(..count * 2),
            next.sound.drain(..count * 2),
        );
        for (index, (to, (old, new))) in out.iter_mut().zip(old.zip(new)).enumerate() {
            let place = ((at + index / 2) as f32 + 0.5) / length as f32 * FRAC_PI_2;
            *to = old * place.cos() + new * place.sin();
        }
        self.crossing = Some((length, at + count));
        if count == 0 && next.ended {
            // Shorter than the cross-fade: the one before it goes on alone.
            self.next = None;
            self.crossing = None;
            return Some(0);
        }
        (count > 0).then_some(count)
    }

    /// The length of the next cross-fade, by what is known now.
    fn fade(&self) -> usize {
        let cut = self.playing.as_ref().is_some_and(|playing| playing.cut);
        let fade = if cut {
            self.crossfade.max(CUT)
        } else {
            self.crossfade
        };
        match &self.next {
            // A short one is not all fade.
            Some(next) if next.ended => fade.min(next.samples() / 2),
            _ => fade,
        }
    }

    fn deck(&mut self, token: Token) -> Option<&mut Deck> {
        let mut decks = [self.playing.as_mut(), self.next.as_mut()]
            .into_iter()
            .flatten();
        decks.find(|deck| deck.token == token)
    }
}

impl Deck {
    fn samples(&self) -> usize {
        self.sound.len() / 2
    }
}

/// A gain that moves between silence and full sound.
#[derive(Debug)]
pub(crate) struct Fader {
    length: usize,
    /// 0 is silent, `length` is full.
    at: usize,
    rises: bool,
}

impl Fader {
    /// Silent, and rising over so many samples.
    pub(crate) fn rising(length: usize) -> Self {
        Self {
            length: length.max(1),
            at: 0,
            rises: true,
        }
    }

    pub(crate) fn rise(&mut self) {
        self.rises = true;
    }

    pub(crate) fn fall(&mut self) {
        self.rises = false;
    }

    pub(crate) fn is_silent(&self) -> bool {
        !self.rises && self.at == 0
    }

    /// Applies the gain to interleaved stereo.
    pub(crate) fn apply(&mut self, sound: &mut [f32]) {
        for pair in sound.chunks_exact_mut(2) {
            self.at = match self.rises {
                true => (self.at + 1).min(self.length),
                false => self.at.saturating_sub(1),
            };
            if self.at < self.length {
                let gain = (self.at as f32 / self.length as f32 * FRAC_PI_2).sin();
                pair[0] *= gain;
                pair[1] *= gain;
            }
        }
    }
}

#[cfg(test)]
mod tests;
