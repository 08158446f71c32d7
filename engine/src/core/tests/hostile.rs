//! Random scripts for [`hostile`]; the fuzz target of that name looks for others.

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

use crate::testing::hostile;

/// Enough of them that the engine's limits are met, in about two seconds.
const SCRIPTS: usize = 40;

#[test]
fn whatever_strangers_send_a_listener_hears_on_and_nothing_of_them_stays() {
    let seed = match std::env::var("HOSTILE_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => rand::rng().next_u64(),
    };
    println!("HOSTILE_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..SCRIPTS {
        let mut script = vec![0; rng.random_range(0..4000)];
        rng.fill_bytes(&mut script);
        hostile(&script);
    }
}
