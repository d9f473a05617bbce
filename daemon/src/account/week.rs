//! A week with a server that gives one and the same odd answer whenever it is asked, for every answer of the corpus and
//! every kind of server: nothing is sent earlier than the server allows, nothing goes round in circles, nobody is kept
//! waiting or gets an expired token. Then the server is well again, and so is the login: no answer has cost it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, Rotation};

use super::scripts::words::{Args, stored};
use super::testing::{Clock, sealed_by, unseal};
use super::*;
use crate::oauth::answer::{self, AnswerContext, Kind};
use crate::oauth::testing::{self, Case};
use crate::oauth::{Answer, Outcome};
use crate::time::Boot;

const SECOND: Duration = Duration::from_secs(1);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How often a program asks for a token.
const CALLS: Duration = Duration::from_secs(600);
/// From a request to its answer.
const UNDER_WAY: Duration = Duration::from_millis(200);
/// A server that does not answer is asked every five minutes, with jitter, and whenever a person presses the button.
const MOST_IN_A_DAY: usize = 24 * 40;

#[test]
fn no_answer_costs_a_login_or_is_asked_for_too_often_in_a_week() {
    let kinds = [
        (Rotation::Auto, None),
        (Rotation::None, None),
        (Rotation::Rotating, Some(Duration::ZERO)),
        (Rotation::Rotating, Some(60 * SECOND)),
    ];
    let cases: Vec<_> = Case::all().into_iter().filter(Case::is_refresh).collect();
    let stories: Vec<_> = cases.iter().flat_map(|case| kinds.map(|kind| (case, kind))).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let parts: Vec<_> = stories
            .chunks(stories.len().div_ceil(workers))
            .map(|part| scope.spawn(|| part.iter().flat_map(|&(case, kind)| faults_of(case, kind)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("no panic")).collect()
    });
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

fn faults_of(case: &Case, (rotation, replay_window): (Rotation, Option<Duration>)) -> Vec<String> {
    let mut week = Week::new(case, Definition { rotation, replay_window, ..case.definition() });
    week.pass();
    week.mend();
    let story = format!("{}, {rotation:?}, window {replay_window:?}", case.name);
    week.faults.into_iter().map(|fault| format!("{story}: {fault}")).collect()
}

struct Week<'a> {
    case: &'a Case,
    account: Option<Account>,
    definition: Arc<Definition>,
    clock: Clock,
    /// When it was asked and gave no token that ends of itself.
    asked: Vec<Duration>,
    /// Earlier than this it may not be asked.
    not_before: Duration,
    /// The refresh token that the server would take.
    newest: String,
    is_well: bool,
    /// Calls, and those that had their answer.
    calls: u64,
    answered: u64,
    served: Option<String>,
    faults: Vec<String>,
}

impl<'a> Week<'a> {
    fn new(case: &'a Case, definition: Definition) -> Self {
        let mut week = Self {
            case,
            account: Some(Account::new("work".parse().expect("a name"), 7)),
            definition: Arc::new(definition),
            clock: Clock::START,
            asked: Vec::new(),
            not_before: Duration::ZERO,
            newest: "rt-1".into(),
            is_well: false,
            calls: 0,
            answered: 0,
            served: None,
            faults: Vec::new(),
        };
        week.hear(Input::Defined(Ok(week.definition.clone())));
        let stored = stored(&Args::new("generation=1 rt=rt-1 at=at-1 life=1h used"), &week.clock);
        week.hear(Input::Unlocked(Box::new(stored)));
        week
    }

    /// Programs ask every ten minutes, and once in an hour a person presses the button.
    fn pass(&mut self) {
        let end = self.clock.boot + WEEK;
        let mut call = self.clock.boot;
        while self.clock.boot < end && self.faults.len() < 5 {
            self.until(call);
            self.call();
            if self.calls.is_multiple_of(6) {
                self.press();
            }
            call += CALLS;
        }
        self.until(self.clock.boot + 30 * SECOND);
        if self.answered != self.calls {
            self.fault(format!("{} of {} calls were answered", self.answered, self.calls));
        }
        let is_a_day = |asked: &[Duration]| asked[MOST_IN_A_DAY] - asked[0] < WEEK / 7;
        if self.asked.windows(MOST_IN_A_DAY + 1).any(is_a_day) {
            self.fault(format!("asked more than {MOST_IN_A_DAY} times within a day"));
        }
    }

    /// The server is well again. Whatever the account waits for comes: a changed definition, a person.
    fn mend(&mut self) {
        self.is_well = true;
        self.hear(Input::Defined(Ok(Arc::new(Definition {
            label: Some("mended".into()),
            ..(*self.definition).clone()
        }))));
        if matches!(self.status().state, State::LoginRequired | State::Held) {
            let options = LoginOptions { retry: true, ..LoginOptions::default() };
            let request = RequestId(1);
            self.hear(Input::LoginWanted { request, options, entropy: super::testing::entropy(request) });
        } else {
            // The longest pause that the account makes of itself.
            self.until(self.not_before.max(self.clock.boot + Duration::from_secs(3_600)) + CALLS);
            self.press();
        }
        self.until(self.clock.boot + 60 * SECOND);
        self.served = None;
        self.call();
        self.until(self.clock.boot + 30 * SECOND);
        if self.served.as_deref() != Some("at-well") {
            let status = self.status();
            self.fault(format!("the login is gone: {}, {:?}", status.state.as_str(), status.last_error));
        }
    }

    fn status(&self) -> Status {
        self.account.as_ref().expect("between steps").status(&self.clock.now())
    }

    fn call(&mut self) {
        self.calls += 1;
        let ask = TokenAsk {
            key: TokenKey::DEFAULT,
            min_validity: 60 * SECOND,
            rejected: None,
            deadline: Boot(self.clock.boot + 20 * SECOND),
        };
        self.hear(Input::TokenWanted { waiter: WaiterId(self.calls), ask });
    }

    fn press(&mut self) {
        self.calls += 1;
        let deadline = Boot(self.clock.boot + 20 * SECOND);
        self.hear(Input::RefreshWanted { waiter: WaiterId(self.calls), deadline });
    }

    /// Lets time pass and tells the account whenever it wanted to hear.
    fn until(&mut self, end: Duration) {
        let (mut at_once, mut steps) = (0, 0);
        while let Some(due) = self.account.as_ref().and_then(Account::deadline).filter(|due| due.0 <= end) {
            at_once = if due.0 <= self.clock.boot { at_once + 1 } else { 0 };
            steps += 1;
            if at_once > 3 || steps > 1_000 {
                self.clock.pass(end.saturating_sub(self.clock.boot));
                return self.fault("it is due again and again".into());
            }
            self.clock.pass(due.0.saturating_sub(self.clock.boot));
            self.hear(Input::Due);
        }
        self.clock.pass(end.saturating_sub(self.clock.boot));
    }

    /// One input and all that follows from it but for the time.
    fn hear(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut left = 100;
        while let Some(input) = inputs.pop_front() {
            left -= 1;
            if left == 0 {
                return self.fault("it asks again and again at once".into());
            }
            let now = self.clock.now();
            let mut effects = Vec::new();
            let account = self.account.take().expect("between steps");
            self.account = Some(account.step(&now, input, &mut effects));
            for effect in effects {
                inputs.extend(self.carry_out(effect));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Reply { served, .. } => {
                self.answered += 1;
                let now = self.clock.now().wall.unix();
                if served.expires_at != 0 && served.expires_at <= now {
                    self.fault("an expired token was served".into());
                }
                self.served = served.token.reveal_str().map(str::to_owned);
                None
            }
            Effect::ReplyDone { .. } | Effect::Deny { .. } => {
                self.answered += 1;
                None
            }
            Effect::Discover { ticket, .. } => {
                Some(Input::Discovered { ticket, result: Ok(Arc::new(testing::metadata())) })
            }
            Effect::MakeKey { ticket } => Some(Input::KeyMade { ticket, key: testing::proof_key() }),
            Effect::Ask { ticket, exchange, .. } => Some(Input::Answered { ticket, answer: self.answer(&exchange) }),
            Effect::Save { ticket, change } => Some(Input::Saved { ticket, sealed: sealed_by(&change) }),
            Effect::Report { .. }
            | Effect::Listen { .. }
            | Effect::Show { .. }
            | Effect::Revoke { .. }
            | Effect::Introspect { .. }
            | Effect::Notify(_)
            | Effect::Log { .. } => None,
        }
    }

    fn answer(&mut self, exchange: &Exchange) -> Answer {
        let Exchange::Refresh { token, .. } = exchange else { unreachable!("nobody signs in") };
        if unseal(token) != self.newest {
            self.fault(format!("{} was sent, not {}", unseal(token), self.newest));
        }
        if self.clock.boot < self.not_before {
            self.fault(format!("asked {:?} too early", self.not_before - self.clock.boot));
        }
        let at = self.clock.boot;
        self.clock.pass(UNDER_WAY);
        let wall = self.clock.now().wall;
        let answer = if self.is_well { well() } else { self.case.answer(&self.definition, wall) };
        if let Some(token) = &answer.refresh_token {
            self.newest = token.reveal_str().expect("text").to_owned();
        }
        match &answer.outcome {
            Outcome::Granted(granted) if granted.lifetime.is_some() => return answer,
            Outcome::NotProcessed { retry_after, .. } => self.not_before = self.clock.boot + *retry_after,
            _ => {}
        }
        self.asked.push(at);
        answer
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(format!("{fault} ({:?} into the story)", self.clock.boot - Clock::START.boot));
    }
}

fn well() -> Answer {
    let body = r#"{"access_token":"at-well","token_type":"Bearer","expires_in":3600}"#;
    let definition = testing::definition();
    let wall = Clock::START.now().wall;
    let context =
        AnswerContext { definition: &definition, host: "as.example", kind: Kind::Refresh, wall, secrets: &[] };
    answer::read(Ok(testing::response(200, body)), &context)
}
