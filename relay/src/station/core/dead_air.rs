//! Silence of a live source, and the stand-in that plays over it.
//!
//! The source stays the station's source meanwhile; what it sends is not passed on.

use wire::StationId;
use wire::message::{Metadata, PublishEndCode};

use super::super::effect::{Effect, Happening, SourceId};
use super::{Core, OnAir, Owner, Source};
use crate::clock::Now;
use crate::config;

/// A stand-in that plays over the station's source.
#[derive(Debug)]
pub(super) struct Cover {
    pub(super) by: Source,
    /// What the source says it plays.
    beneath: Option<Metadata>,
}

impl Core {
    /// What silence is at the station, if anybody wants to know.
    pub(crate) fn dead_air_of(&self, id: &StationId) -> Option<config::DeadAir> {
        self.stations.get(id)?.dead_air
    }

    /// Whether the station's source sends silence; none where nobody wants to know.
    pub(crate) fn is_silent(&self, id: &StationId) -> Option<bool> {
        let entry = self.stations.get(id)?;
        entry.dead_air?;
        Some(entry.on_air.as_ref().is_some_and(|on_air| on_air.silent))
    }

    /// What that source sends became silence, or sound.
    pub(crate) fn dead_air(&mut self, source: SourceId, silent: bool) {
        let Some(id) = self.sources.get(&source).cloned() else {
            return;
        };
        let Some(on_air) = self.on_air_mut(&id) else {
            return;
        };
        let is_source = on_air.source.as_ref().is_some_and(|own| own.id == source);
        if !is_source || on_air.silent == silent {
            return;
        }
        on_air.silent = silent;
        let cover = on_air.cover.as_ref().map(|cover| cover.by.id);
        self.happened(&id, Happening::DeadAir(silent));
        let kind = if silent { "dead_air" } else { "dead_air_ended" };
        self.tell_all(&id, kind);
        match cover {
            None if self.may_cover(&id) => self.ring(&id),
            Some(cover) if !silent => self.effects.push_back(Effect::AskAside(cover)),
            _ => {}
        }
    }

    /// Whether the station's stand-in may play over its source.
    pub(super) fn may_cover(&self, id: &StationId) -> bool {
        let Some(entry) = self.stations.get(id) else {
            return false;
        };
        let dead_air = entry.dead_air.filter(|dead_air| dead_air.fallback);
        let Some(on_air) = &entry.on_air else {
            return false;
        };
        let source = on_air.source.as_ref();
        let live = source.is_some_and(|source| source.owner != Owner::StandIn);
        let wanted = entry.stand_in.is_some() && dead_air.is_some();
        wanted && live && on_air.silent && on_air.cover.is_none()
    }

    /// Plays over the station's source.
    pub(super) fn cover(&mut self, id: &StationId, by: Source, now: Now) {
        let Some(on_air) = self.on_air_mut(id) else {
            return;
        };
        let newest = on_air.clock.newest(now.instant);
        let beneath = on_air.timeline.current(newest);
        let beneath = beneath.map(|(_, title)| title.clone());
        on_air.cover = Some(Cover { by, beneath });
        if let Some(source) = on_air.source.as_ref().map(|source| source.id) {
            self.effects.push_back(Effect::Cover(source, true));
        }
    }

    /// A stand-in that played over a source has faded out or ended: the source is heard
    /// again. False of any other publish, of which it changes nothing.
    pub(crate) fn uncover(&mut self, cover: SourceId, now: Now) -> bool {
        let Some(id) = self.sources.get(&cover).cloned() else {
            return false;
        };
        let named = self.named(&id);
        let Some(on_air) = self.on_air_mut(&id) else {
            return false;
        };
        let Some(source) = on_air.covered(cover) else {
            return false;
        };
        let beneath = on_air.cover.as_mut().and_then(|cover| cover.beneath.take());
        let newest = on_air.clock.newest(now.instant);
        self.end_cover(&id);
        self.effects.push_back(Effect::Cover(source, false));
        let title = beneath.map(|title| Metadata {
            timestamp: None,
            ..title
        });
        self.set_title(&id, title.unwrap_or(named), newest, now);
        self.update_soon(&id, now);
        true
    }

    /// Ends what plays over the station's source.
    pub(super) fn end_cover(&mut self, id: &StationId) {
        let cover = self.on_air_mut(id).and_then(|on_air| on_air.cover.take());
        if let Some(cover) = cover {
            self.sources.remove(&cover.by.id);
            let end = Effect::End(cover.by.id, PublishEndCode::TakenOver);
            self.effects.push_back(end);
            self.happened(id, Happening::Covered(false));
        }
    }

    /// What played over a source that is gone takes its place; whether there was any.
    pub(super) fn promote_cover(&mut self, id: &StationId) -> bool {
        let Some(on_air) = self.on_air_mut(id) else {
            return false;
        };
        let Some(cover) = on_air.cover.take() else {
            return false;
        };
        on_air.source = Some(cover.by);
        on_air.silent = false;
        self.effects.push_back(Effect::EndCarried(id.clone()));
        true
    }
}

impl OnAir {
    /// The source that `cover` plays over, if it does.
    fn covered(&self, cover: SourceId) -> Option<SourceId> {
        let playing = self.cover.as_ref()?;
        let source = self.source.as_ref()?;
        (playing.by.id == cover).then_some(source.id)
    }

    /// Keeps what a covered source says it plays until it is heard again; gives it back when
    /// that source is heard, or is what plays over another.
    pub(super) fn keep_beneath(&mut self, source: SourceId, title: Metadata) -> Option<Metadata> {
        match &mut self.cover {
            Some(cover) if cover.by.id != source => {
                cover.beneath = Some(title);
                None
            }
            _ => Some(title),
        }
    }
}
