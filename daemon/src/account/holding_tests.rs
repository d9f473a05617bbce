//! Patience with a server, moment by moment.

use super::super::schedule;
use super::*;

fn at(seconds: u64) -> Boot {
    Boot(Duration::from_secs(seconds))
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

#[test]
fn a_time_that_the_server_named_is_never_shortened() {
    let mut pause = Pause::over(at(100));
    pause.lengthen(at(100), seconds(60), 7);
    assert!(pause.ordered && pause.until == at(160));
    pause.lengthen(at(110), seconds(30), 7);
    assert_eq!(pause.until, at(160), "a shorter one does not take it back");
    pause.lengthen(at(110), None, 7);
    assert!(pause.ordered && pause.until == at(160), "nor does a failure on the way");
    let ends_with_it = at(160).before(schedule::backoff(7, pause.failures + 1));
    pause.lengthen(ends_with_it, None, 7);
    assert!(pause.ordered && pause.until == at(160), "nor one that ends in the same moment");
    pause.network_up(at(120));
    assert_eq!(pause.until, at(160), "nor does the network");
    pause.lengthen(at(110), seconds(90), 7);
    assert_eq!(pause.until, at(200), "a longer one counts");
}

#[test]
fn a_pause_of_our_own_ends_with_its_reason() {
    let mut pause = Pause::over(at(100));
    for _ in 0..10 {
        pause.lengthen(at(100), None, 7);
    }
    assert!(!pause.ordered && pause.until > at(110) && pause.failures == 10);
    pause.network_up(at(101));
    assert_eq!((pause.until, pause.failures), (at(101), 0));
    pause.network_up(at(102));
    assert_eq!(pause.until, at(101), "and never later for it");
    pause.lengthen(at(100), seconds(60), 7);
    pause.lengthen(at(170), None, 7);
    assert!(!pause.ordered && pause.until < at(172), "what the server named is over");
}

#[test]
fn the_network_gives_a_refusal_one_try_beside_the_clock() {
    let refused = |last, retry_at| {
        let pause = Pause::over(at(last));
        Refused { why: "401".into(), tries: 1, last: at(last), retry_at: at(retry_at), extra: None, pause }
    };
    let mut soon = refused(100, 3_700);
    soon.network_up(at(159), at(159));
    assert!(soon.retry_at == at(3_700) && soon.extra.is_none(), "not within a minute of the last");
    soon.network_up(at(160), at(170));
    assert!(soon.retry_at == at(170) && soon.extra == Some(at(3_700)));
    for due in [170, 165] {
        let mut due = refused(100, due);
        let before = due.retry_at;
        due.network_up(at(160), at(170));
        assert!(due.retry_at == before && due.extra.is_none(), "one by the clock comes first, and counts");
    }
}
