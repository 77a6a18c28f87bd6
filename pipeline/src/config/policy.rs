//! The words for what becomes of what fails.

use std::ops::Range;
use std::time::Duration;

use proscenium_plugin_host::Failover;

use super::excerpt::quoted;
use super::findings::Findings;
use super::{name, unprintable};
use crate::limits;

const RETRY: &str = "RETRY_WITH_BACKOFF";
const SKIP: &str = "SKIP_AND_CONTINUE";
const FAIL: &str = "FAIL_FAST";
const TO: &str = "FAILOVER_TO";
const DEAD_LETTER: &str = "DEAD_LETTER";
const CIRCUIT: &str = "CIRCUIT_BREAKER";
const STOP: &str = "STOP_PARTITION";
const WORDS: &[&str] = &[RETRY, SKIP, FAIL, TO, DEAD_LETTER, CIRCUIT, STOP];

const EXPECTED: &str = "RETRY_WITH_BACKOFF, SKIP_AND_CONTINUE, FAIL_FAST, FAILOVER_TO:<stage>, DEAD_LETTER, \
                        CIRCUIT_BREAKER[:<failures>[:<cooldown_ms>]] or STOP_PARTITION";
const CIRCUIT_FAILURES: u32 = 5;
const CIRCUIT_COOLDOWN: Duration = Duration::from_secs(10);

/// A policy, by its word and what stands behind it.
pub(crate) fn parse(findings: &Findings<'_>, span: Range<usize>, text: &str) -> Option<Failover> {
    let (word, rest) = text.split_once(':').map_or((text, None), |(word, rest)| (word.trim(), Some(rest.trim())));
    let policy = match (word, rest) {
        (TO, to) => return stand_in(findings, span, to.unwrap_or_default()),
        (CIRCUIT, rest) => return circuit(findings, span, rest),
        (RETRY, None) => Failover::RetryWithBackoff,
        (SKIP, None) => Failover::SkipAndContinue,
        (FAIL, None) => Failover::FailFast,
        (DEAD_LETTER, None) => Failover::DeadLetter,
        (STOP, None) => Failover::StopPartition,
        (word, Some(rest)) if WORDS.contains(&word) => {
            let what = format!("{word} has nothing behind it, and here is {}", quoted(rest));
            findings.add(span, what, EXPECTED, format!("write `{word}` alone"));
            return None;
        }
        _ => {
            let what = if text.is_empty() {
                "the failover policy is missing".to_owned()
            } else {
                format!("there is no failover policy {}", quoted(word))
            };
            let remedy = findings.suggestion(word, WORDS.iter().copied());
            findings.add(span, what, EXPECTED, remedy.unwrap_or_else(|| format!("{RETRY} is the usual one")));
            return None;
        }
    };
    Some(policy)
}

fn stand_in(findings: &Findings<'_>, span: Range<usize>, to: &str) -> Option<Failover> {
    if to.is_empty() {
        findings.add(span, "FAILOVER_TO names no stage", "FAILOVER_TO:<stage>", "name the stage that stands in");
        return None;
    }
    name::check(findings, span, "the stand-in's name", to).then(|| Failover::FailoverTo(to.to_owned()))
}

fn circuit(findings: &Findings<'_>, span: Range<usize>, rest: Option<&str>) -> Option<Failover> {
    let mut numbers = rest.into_iter().flat_map(|rest| rest.split(':').map(str::trim));
    let mut number = |range| match numbers.next().map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) if std::ops::RangeInclusive::contains(&range, &number) => Ok(Some(number)),
        Some(_) => Err(()),
    };
    match (number(limits::FAILURES), number(limits::COOLDOWN_MS), numbers.next()) {
        (Ok(failures), Ok(cooldown), None) => Some(Failover::CircuitBreaker {
            failures: failures.and_then(|failures| u32::try_from(failures).ok()).unwrap_or(CIRCUIT_FAILURES),
            cooldown: cooldown.map_or(CIRCUIT_COOLDOWN, Duration::from_millis),
        }),
        _ => {
            let what = format!("{} are no limits of a circuit", quoted(rest.unwrap_or_default()));
            let expected = "CIRCUIT_BREAKER:<failures, 1 to 1000000>:<cooldown_ms, 1 to 86400000>";
            findings.add(span, what, expected, "CIRCUIT_BREAKER alone is CIRCUIT_BREAKER:5:10000");
            None
        }
    }
}

/// The words for a policy, as a file has them.
pub(crate) fn print(why: &mut Vec<String>, stage: &str, policy: &Failover) -> String {
    match policy {
        Failover::RetryWithBackoff => RETRY.to_owned(),
        Failover::SkipAndContinue => SKIP.to_owned(),
        Failover::FailFast => FAIL.to_owned(),
        Failover::FailoverTo(to) => format!("{TO}:{to}"),
        Failover::DeadLetter => DEAD_LETTER.to_owned(),
        Failover::CircuitBreaker { failures, cooldown } => {
            let what = format!("the circuit of the stage `{stage}`");
            format!("{CIRCUIT}:{failures}:{}", unprintable::millis(why, &what, *cooldown))
        }
        Failover::StopPartition => STOP.to_owned(),
        other => {
            why.push(format!("the stage `{stage}` has a policy without a word: {other:?}"));
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::Text;
    use super::*;

    #[test]
    fn every_policy_has_a_word() {
        let circuit = |failures, ms| Failover::CircuitBreaker { failures, cooldown: Duration::from_millis(ms) };
        for (text, want) in [
            ("RETRY_WITH_BACKOFF", Some(Failover::RetryWithBackoff)),
            ("SKIP_AND_CONTINUE", Some(Failover::SkipAndContinue)),
            ("FAIL_FAST", Some(Failover::FailFast)),
            ("FAILOVER_TO:b", Some(Failover::FailoverTo("b".into()))),
            ("FAILOVER_TO : b", Some(Failover::FailoverTo("b".into()))),
            ("DEAD_LETTER", Some(Failover::DeadLetter)),
            ("CIRCUIT_BREAKER", Some(circuit(5, 10_000))),
            ("CIRCUIT_BREAKER:3", Some(circuit(3, 10_000))),
            ("CIRCUIT_BREAKER:3:200", Some(circuit(3, 200))),
            ("STOP_PARTITION", Some(Failover::StopPartition)),
            ("FAIL_FAST:1", None),
            ("FAILOVER_TO", None),
            ("FAILOVER_TO:", None),
            ("FAILOVER_TO:a/b", None),
            ("CIRCUIT_BREAKER:", None),
            ("CIRCUIT_BREAKER:0", None),
            ("CIRCUIT_BREAKER:1:0", None),
            ("CIRCUIT_BREAKER:1:2:3", None),
            ("CIRCUIT_BREAKER:1:86400001", None),
            ("fail_fast", None),
            ("", None),
        ] {
            let file = Text::of("f", text.as_bytes()).unwrap();
            let findings = Findings::of(&file);
            assert_eq!(parse(&findings, 0..text.len(), text), want, "{text}");
            assert_eq!(findings.count(), usize::from(want.is_none()), "{text}");
            let Some(policy) = want else { continue };
            let mut why = Vec::new();
            let printed = print(&mut why, "a", &policy);
            assert_eq!(parse(&findings, 0..0, &printed), Some(policy), "{printed} {why:?}");
        }
    }
}
