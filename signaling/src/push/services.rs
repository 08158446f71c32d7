//! Push services, so that nobody waits for one that asks another.
//!
//! Browsers choose the service and anyone can name one, so one that does not answer, or says
//! that it cannot, must cost the others nothing: each has a part of the requests, and of the
//! deliveries that wait for another attempt. One that is down is asked now and then alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::delivery::{Outcome, UNDER_WAY_MAX};

/// Requests at the same time.
const REQUESTS_MAX: usize = 32;

/// Those of them to one service.
const REQUESTS_EACH: usize = 24;

/// Deliveries that wait for another attempt: half of all that may be under way.
const WAITING_MAX: usize = UNDER_WAY_MAX / 2;

/// Those of them to one service.
const WAITING_EACH: usize = WAITING_MAX / 2;

/// Failures in a row after which a service counts as down.
const DOWN_AFTER: u32 = 16;

/// How often one request finds out whether a service is back.
const PROBE_AFTER: Duration = Duration::from_secs(30);

/// Services remembered for their failures; further ones are taken for well.
const FAILING_MAX: usize = 1_024;

/// The services that are asked, or failed last time.
#[derive(Debug)]
pub(super) struct Services {
    room: Room,
    known: Mutex<HashMap<String, Service>>,
}

/// How much there may be at the same time, of all services or of one.
#[derive(Debug)]
struct Room {
    requests: Semaphore,
    waiting: Semaphore,
}

/// A service, by its origin.
#[derive(Debug)]
struct Service {
    room: Arc<Room>,
    /// Deliveries under way.
    visits: usize,
    failures_in_a_row: u32,
    /// When it failed last, or was last given a request to prove itself.
    tried: Option<Instant>,
}

/// One delivery to a service, from its first attempt to its last.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    services: &'a Services,
    origin: &'a str,
    room: Arc<Room>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            room: Room::new(REQUESTS_MAX, WAITING_MAX),
            known: Mutex::default(),
        }
    }
}

impl Services {
    /// A delivery begins.
    pub(super) fn visit<'a>(&'a self, origin: &'a str) -> Visit<'a> {
        let mut known = self.lock();
        let service = known.entry(origin.to_owned()).or_insert_with(Service::new);
        service.visits += 1;
        Visit {
            services: self,
            origin,
            room: Arc::clone(&service.room),
        }
    }

    // Every change is one step: a panic elsewhere leaves the map whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Service>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit<'_> {
    /// Makes an attempt when it is its turn, unless the service is down.
    pub(super) async fn ask(&self, attempt: impl Future<Output = Outcome>) -> Outcome {
        let Ok(_own) = self.room.requests.acquire().await else {
            return Outcome::Failed("the server stops", None);
        };
        // After the wait, during which others may have found out.
        if let Some(wait) = self.with(|service| service.poll(Instant::now())) {
            return Outcome::Down(wait);
        }
        let Ok(_any) = self.services.room.requests.acquire().await else {
            return Outcome::Failed("the server stops", None);
        };
        let outcome = attempt.await;
        let has_failed = matches!(outcome, Outcome::Failed(..));
        let (before, after) = self.with(|service| service.handle(has_failed, Instant::now()));
        let origin = self.origin;
        match (before, after) {
            (false, true) => tracing::warn!(origin, "a push service is down"),
            (true, false) => tracing::info!(origin, "a push service is back"),
            _ => {}
        }
        outcome
    }

    /// Waits for another attempt; false, at once, when too many do.
    pub(super) async fn wait(&self, time: Duration) -> bool {
        let own = self.room.waiting.try_acquire();
        let any = self.services.room.waiting.try_acquire();
        let (Ok(_own), Ok(_any)) = (own, any) else {
            return false;
        };
        sleep(time).await;
        true
    }

    fn with<T>(&self, used: impl FnOnce(&mut Service) -> T) -> T {
        let mut known = self.services.lock();
        let service = known.get_mut(self.origin);
        used(service.expect("a service is known while it is visited"))
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut known = self.services.lock();
        let Some(service) = known.get_mut(self.origin) else {
            return;
        };
        service.visits -= 1;
        if service.visits > 0 {
            return;
        }
        if service.failures_in_a_row == 0 {
            known.remove(self.origin);
        } else if known.len() > FAILING_MAX {
            known.remove(self.origin);
            let now = Instant::now();
            known.retain(|_, service| service.visits > 0 || !service.is_due(now));
        }
    }
}

impl Room {
    fn new(requests: usize, waiting: usize) -> Self {
        Self {
            requests: Semaphore::new(requests),
            waiting: Semaphore::new(waiting),
        }
    }
}

impl Service {
    fn new() -> Self {
        Self {
            room: Arc::new(Room::new(REQUESTS_EACH, WAITING_EACH)),
            visits: 0,
            failures_in_a_row: 0,
            tried: None,
        }
    }

    fn is_down(&self) -> bool {
        self.failures_in_a_row >= DOWN_AFTER
    }

    /// How long it is not asked any more; none when it may be, which for one that is down is
    /// said once in a while.
    fn poll(&mut self, now: Instant) -> Option<Duration> {
        if !self.is_down() {
            return None;
        }
        if self.is_due(now) {
            self.tried = Some(now);
            return None;
        }
        self.tried.map(|tried| tried + PROBE_AFTER - now)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.tried.is_none_or(|tried| now >= tried + PROBE_AFTER)
    }

    /// Notes what came of an attempt; tells whether it was down before and is now.
    fn handle(&mut self, has_failed: bool, now: Instant) -> (bool, bool) {
        let before = self.is_down();
        if has_failed {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            self.tried = Some(now);
        } else {
            self.failures_in_a_row = 0;
        }
        (before, self.is_down())
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const DEAD: &str = "https://dead.example";
    const WELL: &str = "https://well.example";
    const FAILED: Outcome = Outcome::Failed("no answer in time", None);
    const SOON: Duration = Duration::from_millis(50);
    const ATTEMPT: Duration = Duration::from_secs(10);

    async fn after(time: Duration, outcome: Outcome) -> Outcome {
        sleep(time).await;
        outcome
    }

    /// One attempt that comes to that, at once.
    async fn attempt(services: &Services, origin: &str, outcome: Outcome) -> Outcome {
        let visit = services.visit(origin);
        visit.ask(async { outcome }).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_answer_delays_no_other() {
        let services = Arc::new(Services::default());
        let mut dead = JoinSet::new();
        for _ in 0..1_000 {
            let services = Arc::clone(&services);
            dead.spawn(async move {
                let visit = services.visit(DEAD);
                let outcome = visit.ask(after(ATTEMPT, FAILED)).await;
                visit.wait(100 * ATTEMPT).await;
                outcome
            });
        }
        tokio::task::yield_now().await;
        let begin = Instant::now();
        for _ in 0..5 {
            let visit = services.visit(WELL);
            let outcome = timeout(2 * SOON, visit.ask(after(SOON, Outcome::Taken))).await;
            assert_eq!(outcome, Ok(Outcome::Taken), "after {:?}", begin.elapsed());
        }
        // Those that were asked when it was not known yet take their time, the rest none.
        let mut asked = 0;
        for _ in 0..1_000 - WAITING_EACH {
            let left = timeout(2 * ATTEMPT, dead.join_next()).await;
            let outcome = left.expect("they give up").unwrap().unwrap();
            asked += usize::from(outcome == FAILED);
        }
        assert!(asked <= REQUESTS_EACH, "{asked} were asked");
        assert!(begin.elapsed() <= ATTEMPT + SOON, "{:?}", begin.elapsed());
        let left = timeout(ATTEMPT, dead.join_next()).await;
        assert!(left.is_err(), "more gave up than had to");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_down_is_asked_now_and_then_until_it_answers() {
        let services = Services::default();
        for _ in 0..DOWN_AFTER {
            assert_eq!(attempt(&services, DEAD, FAILED).await, FAILED);
        }
        let down = Outcome::Down(PROBE_AFTER);
        assert_eq!(attempt(&services, DEAD, Outcome::Taken).await, down);
        assert_eq!(
            attempt(&services, WELL, Outcome::Taken).await,
            Outcome::Taken
        );
        sleep(PROBE_AFTER).await;
        {
            let visit = services.visit(DEAD);
            let probe = visit.ask(after(ATTEMPT, FAILED));
            let meanwhile = after(SOON, Outcome::Taken);
            let others = async {
                meanwhile.await;
                attempt(&services, DEAD, Outcome::Taken).await
            };
            let (probe, other) = tokio::join!(probe, others);
            assert_eq!(probe, FAILED);
            assert_eq!(other, Outcome::Down(PROBE_AFTER - SOON), "one finds it out");
        }
        sleep(PROBE_AFTER).await;
        for _ in 0..2 {
            let outcome = attempt(&services, DEAD, Outcome::Taken).await;
            assert_eq!(outcome, Outcome::Taken);
        }
        assert!(services.lock().is_empty());
    }

    #[tokio::test]
    async fn failures_with_answers_between_them_take_no_service_down() {
        let services = Services::default();
        for _ in 0..10 {
            for _ in 1..DOWN_AFTER {
                assert_eq!(attempt(&services, DEAD, FAILED).await, FAILED);
            }
            let answered = attempt(&services, DEAD, Outcome::Gone).await;
            assert_eq!(answered, Outcome::Gone);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_services_are_remembered() {
        let services = Services::default();
        for number in 0..2 * FAILING_MAX {
            let origin = format!("https://push{number}.example");
            attempt(&services, &origin, FAILED).await;
        }
        assert_eq!(services.lock().len(), FAILING_MAX);
        sleep(PROBE_AFTER).await;
        attempt(&services, DEAD, FAILED).await;
        assert_eq!(services.lock().len(), 0);
    }
}
