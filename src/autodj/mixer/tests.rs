use super::*;

/// Plays tracks of constant sound, `(level, samples)`; answers the left channel and the
/// starts. Sound comes in pieces as decoders yield it.
fn mixed(crossfade: usize, tracks: &[(f32, usize)]) -> (Vec<f32>, Vec<(usize, Token)>) {
    let mut mixer = Mixer::new(crossfade);
    let mut left: Vec<usize> = tracks.iter().map(|track| track.1).collect();
    let mut loaded = 0;
    let (mut heard, mut starts) = (Vec::new(), Vec::new());
    let mut block = [9.0; 960 * 2];
    loop {
        let mut lacks = false;
        while let Some(want) = mixer.want() {
            match want {
                Want::Track if loaded < tracks.len() => {
                    mixer.load(loaded as Token);
                    loaded += 1;
                }
                Want::Track => {
                    lacks = true;
                    break;
                }
                Want::Sound(token) => {
                    let at = token as usize;
                    let piece = left[at].min(1_152);
                    left[at] -= piece;
                    mixer.push(token, &vec![tracks[at].0; piece * 2]);
                    if left[at] == 0 {
                        mixer.end(token);
                    }
                }
            }
        }
        let filled = mixer.mix(&mut block);
        while let Some((offset, token)) = mixer.poll_started() {
            starts.push((heard.len() + offset, token));
        }
        heard.extend(block[..filled * 2].chunks(2).map(|pair| pair[0]));
        if filled < 960 && lacks {
            return (heard, starts);
        }
    }
}

#[test]
fn without_a_crossfade_not_a_sample_is_lost_or_added() {
    let tracks = [(0.1, 100_000), (0.2, 1), (0.3, 77_777), (0.4, 960)];
    let (heard, starts) = mixed(0, &tracks);
    let expected = tracks
        .iter()
        .flat_map(|&(level, samples)| std::iter::repeat_n(level, samples));
    assert!(
        heard.iter().copied().eq(expected),
        "{} samples",
        heard.len()
    );
    let at: Vec<_> = starts.iter().map(|start| start.0).collect();
    assert_eq!(at, [0, 100_000, 100_001, 177_778]);
}

#[test]
fn a_crossfade_has_equal_power_and_its_length() {
    let (heard, starts) = mixed(4_800, &[(0.5, 100_000), (0.5, 100_000)]);
    assert_eq!(heard.len(), 200_000 - 4_800);
    assert_eq!(starts, [(0, 0), (95_200, 1)]);
    assert!(heard[..95_200].iter().all(|&sample| sample == 0.5));
    assert!(heard[100_000..].iter().all(|&sample| sample == 0.5));
    // The same sound twice: cosine and sine add up to between 1 and the root of 2.
    for sample in &heard[95_200..100_000] {
        assert!((0.499..0.7072).contains(sample), "{sample}");
    }
    // Each for itself: the sum of the squares is one.
    let (falls, _) = mixed(4_800, &[(1.0, 100_000), (0.0, 100_000)]);
    let (rises, _) = mixed(4_800, &[(0.0, 100_000), (1.0, 100_000)]);
    for (falling, rising) in falls[95_200..100_000].iter().zip(&rises[95_200..100_000]) {
        assert!((falling * falling + rising * rising - 1.0).abs() < 1e-4);
    }
}

#[test]
fn tracks_shorter_than_the_crossfade_are_heard() {
    let (heard, starts) = mixed(
        48_000,
        &[(0.1, 100_000), (0.2, 9_600), (0.3, 100_000), (0.4, 1)],
    );
    assert_eq!(starts.len(), 4, "{starts:?}");
    assert!(heard.iter().any(|&sample| (sample - 0.2).abs() < 0.05));
    assert!(heard.len() >= 195_000, "{}", heard.len());
}

#[test]
fn a_track_that_is_skipped_fades_into_the_next() {
    for crossfade in [0, 9_600] {
        let mut mixer = Mixer::new(crossfade);
        assert!(!mixer.skip(), "nothing plays");
        mixer.load(1);
        mixer.push(1, &vec![0.5; 200_000]);
        let mut block = vec![0.0; 960 * 2];
        assert_eq!(mixer.mix(&mut block), 960);
        assert!(mixer.skip());
        assert_eq!(mixer.want(), Some(Want::Track));
        mixer.load(2);
        mixer.push(2, &vec![-0.5; 200_000]);
        let mut heard = Vec::new();
        for _ in 0..20 {
            assert_eq!(mixer.mix(&mut block), 960);
            heard.extend(block.chunks(2).map(|pair| pair[0]));
        }
        let steepest = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let steepest = steepest.fold(0.0, f32::max);
        assert!(steepest < 0.001, "{steepest}");
        assert_eq!(heard.last(), Some(&-0.5));
    }
}

#[test]
fn it_waits_for_what_it_lacks() {
    let mut mixer = Mixer::new(480);
    let mut block = [0.0; 960 * 2];
    assert_eq!(mixer.mix(&mut block), 0);
    mixer.load(7);
    mixer.push(7, &[0.5; 600 * 2]);
    assert_eq!(
        mixer.mix(&mut block),
        120,
        "the rest may be needed for a cross-fade"
    );
    mixer.end(7);
    assert_eq!(mixer.mix(&mut block), 480, "nothing came");
    assert_eq!(mixer.mix(&mut block), 0);
    assert_eq!(mixer.want(), Some(Want::Track));
}

#[test]
fn a_fader_comes_and_goes_without_a_step() {
    let mut fader = Fader::rising(960);
    let mut heard = Vec::new();
    let mut next = |fader: &mut Fader| {
        let mut block = [1.0; 480 * 2];
        fader.apply(&mut block);
        heard.extend(block.chunks(2).map(|pair| pair[0]));
    };
    for _ in 0..3 {
        next(&mut fader);
    }
    fader.fall();
    for _ in 0..2 {
        assert!(!fader.is_silent());
        next(&mut fader);
    }
    assert!(fader.is_silent());
    assert!(
        heard
            .windows(2)
            .all(|pair| (pair[1] - pair[0]).abs() < 0.002)
    );
    assert_eq!((heard[1_000], heard[2_399]), (1.0, 0.0));
}
