//! Numbers about numbers.

/// The median, and the least and greatest of some values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else {
            return Self::default();
        };
        Self {
            median: (sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0,
            least: sorted[0],
            greatest: sorted[last],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} ({:.2}-{:.2})",
            self.median, self.least, self.greatest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!(
            (spread.median, spread.least, spread.greatest),
            (2.5, 1.0, 4.0)
        );
    }
}
