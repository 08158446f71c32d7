//! What happens by itself after a while.

use std::time::{Duration, Instant};

use wire::StationId;

use super::super::effect::Effect;
use super::{Core, Entry, OnAir};
use crate::clock::Now;

impl Core {
    /// When [`Core::handle_timeout`] is to be called next; it may have nothing to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.wake_at
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.wake_at = None;
        let ids: Vec<StationId> = self.stations.keys().cloned().collect();
        for id in &ids {
            self.end_interruption(id, now);
            self.close_idle_renditions(id, now);
            self.tell_what_waited(id, now);
            self.forget(id, now);
        }
        if self.counts_told.take(now.instant) {
            self.tell_counts();
        }
        self.wake_by(self.counts_told.deadline());
        let deadlines: Vec<_> = self
            .stations
            .values()
            .map(|entry| self.deadline(entry, now))
            .collect();
        let earliest = deadlines.into_iter().flatten().min();
        self.wake_by(earliest);
    }

    fn end_interruption(&mut self, id: &StationId, now: Now) {
        let wait = self.timing.interruption;
        let vacancy = self.on_air_mut(id).and_then(|on_air| on_air.vacancy);
        if vacancy.is_some_and(|vacancy| vacancy.since + wait <= now.instant) {
            self.stop(id, now);
        }
    }

    fn close_idle_renditions(&mut self, id: &StationId, now: Now) {
        let grace = self.timing.rendition_grace;
        let Some(on_air) = self.on_air_mut(id) else {
            return;
        };
        let mut closed = Vec::new();
        on_air.ladder.retain(|_, made| {
            let idle = made
                .idle_since
                .is_some_and(|since| since + grace <= now.instant);
            if idle {
                closed.push(made.track);
            }
            !idle
        });
        self.renditions -= closed.len();
        self.effects.extend(closed.into_iter().map(Effect::Close));
    }

    fn tell_what_waited(&mut self, id: &StationId, now: Now) {
        let Some(entry) = self.stations.get_mut(id) else {
            return;
        };
        let title_changed = |on_air: &OnAir| on_air.title_from(now) != on_air.title_told;
        let updated = match entry.on_air.as_ref().is_some_and(title_changed) {
            true => entry.update_told.change(now.instant),
            false => entry.update_told.take(now.instant),
        };
        let counted = entry.listeners_told.take(now.instant);
        if counted {
            self.tell_listeners(id);
        }
        if updated {
            self.announce("updated", id, now);
        }
    }

    fn forget(&mut self, id: &StationId, now: Now) {
        let memory = self.timing.station_memory;
        let entry = self.stations.get(id);
        if entry
            .and_then(Entry::idle_since)
            .is_some_and(|since| since + memory <= now.instant)
        {
            self.stations.remove(id);
        }
    }

    fn deadline(&self, entry: &Entry, now: Now) -> Option<Instant> {
        let memory = |since: Instant| since + self.timing.station_memory;
        let on_air = entry.on_air.as_ref();
        let vacancy = on_air.and_then(|on_air| on_air.vacancy);
        let ladder = on_air.map(|on_air| on_air.ladder.values());
        let idle_renditions = ladder
            .into_iter()
            .flatten()
            .filter_map(|made| made.idle_since);
        [
            entry.listeners_told.deadline(),
            entry.update_told.deadline(),
            entry.idle_since().map(memory),
            vacancy.map(|vacancy| vacancy.since + self.timing.interruption),
            on_air.and_then(|on_air| on_air.next_title(now)),
        ]
        .into_iter()
        .flatten()
        .chain(idle_renditions.map(|since| since + self.timing.rendition_grace))
        .min()
    }
}

impl Entry {
    /// Since when the station could be forgotten, if it could.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let idle = !self.configured && self.on_air.is_none() && self.listeners.is_empty();
        idle.then_some(self.idle_since)
    }
}

impl OnAir {
    /// When what plays changes by what was announced ahead.
    fn next_title(&self, now: Now) -> Option<Instant> {
        let newest = self.clock.newest(now.instant);
        let samples = self.timeline.next_change(newest)?.saturating_sub(newest);
        // The clock is followed loosely: looking again within a second is near enough.
        let wait = Duration::from_micros(samples.saturating_mul(1000) / 48);
        Some(now.instant + wait.clamp(Duration::from_millis(20), Duration::from_secs(1)))
    }
}
