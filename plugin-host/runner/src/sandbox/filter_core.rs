//! Rules on system calls, and the program for the kernel's filter machine that decides by them.
//!
//! A crate for this there is (seccompiler), but it has one answer to all that is refused, and we need two (`clone3` is
//! "not there", all else "not permitted"); it also compares numbers one after the other, where the kernel runs the
//! program once for each of its 460 calls when it is loaded. Here they are searched by halves.

/// One instruction of the classic packet filter, as the kernel has it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub if_true: u8,
    pub if_false: u8,
    pub k: u32,
}

/// What happens to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// Not permitted; when learning, noted besides.
    Refuse,
    /// The answer of a kernel that does not have the call.
    Absent,
    /// Taken over by the thread that learns.
    Note,
}

/// A look at the lower half of an argument. All arguments that are looked at are 32 bits wide in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    pub argument: u8,
    pub test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    Is(u32),
    Below(u32),
    Above(u32),
    /// The bits under the mask (first) are these (second).
    Bits(u32, u32),
}

/// What is allowed of one system call: any of the arms, each of which is all of its checks. What fits none is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    Plain(Verdict),
    Arms(Vec<Vec<Check>>),
}

/// The machine that the filter is for.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// The kernel's mark of the calling convention.
    pub audit_arch: u32,
    /// The first number of a second convention under the same mark, as x32 is on x86-64.
    pub foreign_numbers: Option<u32>,
}

/// The four answers, as the kernel's filter returns them.
const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const ERRNO: u32 = 0x0005_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const GO: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_ABOVE: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Where the number, the convention and the arguments lie in what the filter sees.
const NUMBER: u32 = 0;
const CONVENTION: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Compiles rules, sorted by their numbers without doubles, into a program. `learning` has the refused calls handed over.
pub fn compile(machine: Machine, rules: &[(u32, Rule)], learning: bool) -> Vec<Instruction> {
    assert!(rules.windows(2).all(|pair| pair[0].0 < pair[1].0), "rules are sorted, and there is one for each number");
    let mut program = Program { code: Vec::with_capacity(1024), learning };
    program.push(LOAD, CONVENTION);
    program.branch(IF_EQUAL, machine.audit_arch, 1, 0);
    // Only a program that means to get round the filter calls by another convention: there is nothing to answer.
    program.push(RETURN, KILL);
    program.push(LOAD, NUMBER);
    if let Some(first) = machine.foreign_numbers {
        program.branch(IF_AT_LEAST, first, 0, 1);
        program.push(RETURN, KILL);
    }
    program.search(&spans(rules));
    program.code
}

/// A rule holds from a number up to where the next begins.
fn spans(rules: &[(u32, Rule)]) -> Vec<(u32, &Rule)> {
    const REFUSED: &Rule = &Rule::Plain(Verdict::Refuse);
    let mut spans: Vec<(u32, &Rule)> = vec![(0, REFUSED)];
    let mut from = |number, rule| match spans.last_mut() {
        Some(last) if last.0 == number => last.1 = rule,
        Some(last) if last.1 == rule && matches!(rule, Rule::Plain(_)) => (),
        _ => spans.push((number, rule)),
    };
    for (number, rule) in rules {
        from(*number, rule);
        from(number + 1, REFUSED);
    }
    // A span that was begun and taken over by its successor may now be equal to the one before it.
    spans.dedup_by(|next, before| next.1 == before.1 && matches!(next.1, Rule::Plain(_)));
    spans
}

struct Program {
    code: Vec<Instruction>,
    learning: bool,
}

impl Program {
    fn push(&mut self, code: u16, k: u32) {
        self.code.push(Instruction { code, if_true: 0, if_false: 0, k });
    }

    fn branch(&mut self, code: u16, k: u32, if_true: u8, if_false: u8) {
        self.code.push(Instruction { code, if_true, if_false, k });
    }

    fn search(&mut self, spans: &[(u32, &Rule)]) {
        if let [(_, rule)] = spans {
            return self.decide(rule);
        }
        let (low, high) = spans.split_at(spans.len() / 2);
        self.branch(IF_AT_LEAST, high[0].0, 0, 1);
        // A branch reaches 255 instructions, a plain jump all of them.
        let jump = self.code.len();
        self.push(GO, 0);
        self.search(low);
        self.code[jump].k = (self.code.len() - jump - 1) as u32;
        self.search(high);
    }

    fn decide(&mut self, rule: &Rule) {
        match rule {
            Rule::Plain(verdict) => self.answer(*verdict),
            Rule::Arms(arms) => {
                for checks in arms {
                    self.arm(checks);
                }
                self.answer(Verdict::Refuse);
            }
        }
    }

    fn arm(&mut self, checks: &[Check]) {
        let length = |check: &Check| if matches!(check.test, Test::Bits(..)) { 3 } else { 2 };
        // From the first instruction of a check to the one behind the arm's answer.
        let mut left: usize = checks.iter().map(length).sum::<usize>() + 1;
        for check in checks {
            left -= length(check);
            let next = u8::try_from(left).expect("an arm is a handful of checks");
            self.push(LOAD, ARGUMENTS + 8 * u32::from(check.argument));
            match check.test {
                Test::Is(value) => self.branch(IF_EQUAL, value, 0, next),
                Test::Below(value) => self.branch(IF_AT_LEAST, value, next, 0),
                Test::Above(value) => self.branch(IF_ABOVE, value, 0, next),
                Test::Bits(mask, bits) => {
                    self.push(AND, mask);
                    self.branch(IF_EQUAL, bits, 0, next);
                }
            }
        }
        self.answer(Verdict::Allow);
    }

    fn answer(&mut self, verdict: Verdict) {
        let value = match verdict {
            Verdict::Allow => ALLOW,
            Verdict::Refuse if self.learning => NOTIFY,
            Verdict::Refuse => ERRNO | EPERM,
            Verdict::Absent => ERRNO | ENOSYS,
            Verdict::Note => NOTIFY,
        };
        self.push(RETURN, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { audit_arch: 0xc000_003e, foreign_numbers: Some(0x4000_0000) };

    /// The kernel's machine, as far as our programs use it.
    fn run(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let (mut at, mut a) = (0, 0);
        loop {
            let Instruction { code, if_true, if_false, k } = program[at];
            at += 1;
            let mut branch = |holds: bool| at += usize::from(if holds { if_true } else { if_false });
            match code {
                LOAD if k == NUMBER => a = number,
                LOAD if k == CONVENTION => a = arch,
                LOAD => a = arguments[((k - ARGUMENTS) / 8) as usize] as u32,
                AND => a &= k,
                GO => at += k as usize,
                IF_EQUAL => branch(a == k),
                IF_ABOVE => branch(a > k),
                IF_AT_LEAST => branch(a >= k),
                RETURN => return k,
                other => panic!("{other:#x} is not ours"),
            }
        }
    }

    /// What the rules say, without a program.
    fn meant(rules: &[(u32, Rule)], number: u32, arguments: [u64; 6]) -> u32 {
        let fits = |check: &Check| {
            let a = arguments[usize::from(check.argument)] as u32;
            match check.test {
                Test::Is(value) => a == value,
                Test::Below(value) => a < value,
                Test::Above(value) => a > value,
                Test::Bits(mask, bits) => a & mask == bits,
            }
        };
        match rules.iter().find(|rule| rule.0 == number).map(|rule| &rule.1) {
            Some(Rule::Plain(Verdict::Allow)) => ALLOW,
            Some(Rule::Plain(Verdict::Absent)) => ERRNO | ENOSYS,
            Some(Rule::Plain(Verdict::Note)) => NOTIFY,
            Some(Rule::Arms(arms)) if arms.iter().any(|checks| checks.iter().all(fits)) => ALLOW,
            Some(Rule::Plain(Verdict::Refuse) | Rule::Arms(_)) | None => ERRNO | EPERM,
        }
    }

    fn check(argument: u8, test: Test) -> Check {
        Check { argument, test }
    }

    fn rules() -> Vec<(u32, Rule)> {
        let arms = vec![
            vec![check(1, Test::Is(4)), check(0, Test::Below(3))],
            vec![check(1, Test::Is(4)), check(0, Test::Above(7))],
            vec![check(1, Test::Bits(0xff, 0x10)), check(2, Test::Is(0))],
        ];
        let mut rules: Vec<_> = (0..300).step_by(2).map(|n| (n, Rule::Plain(Verdict::Allow))).collect();
        rules.extend((301..340).map(|n| (n, Rule::Plain(Verdict::Allow))));
        rules[3].1 = Rule::Arms(arms.clone());
        rules[40].1 = Rule::Plain(Verdict::Absent);
        rules[41].1 = Rule::Plain(Verdict::Note);
        rules.push((450, Rule::Arms(arms)));
        rules
    }

    #[test]
    fn the_program_decides_as_the_rules_say() {
        let rules = rules();
        let program = compile(MACHINE, &rules, false);
        for number in (0..1000).chain([0x3fff_ffff]) {
            for first in [0, 2, 3, 7, 8, u64::MAX, 1 << 32] {
                for second in [4, 4 | 1 << 32, 5, 0x10, 0xab10, 0x11] {
                    for third in [0, 1] {
                        let arguments = [first, second, third, 9, 9, 9];
                        let answer = run(&program, MACHINE.audit_arch, number, arguments);
                        assert_eq!(answer, meant(&rules, number, arguments), "{number} {arguments:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn another_convention_is_the_end_of_the_process() {
        let program = compile(MACHINE, &rules(), false);
        assert_eq!(run(&program, 0x4000_0003, 0, [0; 6]), KILL);
        assert_eq!(run(&program, MACHINE.audit_arch, 0x4000_0000, [0; 6]), KILL);
        assert_eq!(run(&program, MACHINE.audit_arch, u32::MAX, [0; 6]), KILL);
    }

    #[test]
    fn what_is_refused_is_handed_over_when_learning_and_what_is_absent_is_not() {
        let program = compile(MACHINE, &rules(), true);
        assert_eq!(run(&program, MACHINE.audit_arch, 1, [0; 6]), NOTIFY);
        assert_eq!(run(&program, MACHINE.audit_arch, 80, [0; 6]), ERRNO | ENOSYS);
        assert_eq!(run(&program, MACHINE.audit_arch, 0, [0; 6]), ALLOW);
    }

    #[test]
    fn a_number_is_found_in_few_steps() {
        let program = compile(MACHINE, &rules(), false);
        assert!(program.len() < 1024, "{} instructions; the kernel takes 4,096", program.len());
    }
}
