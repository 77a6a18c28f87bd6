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
        let branch = self.code.len();
        self.branch(IF_AT_LEAST, high[0].0, 0, 0);
        self.search(low);
        match u8::try_from(self.code.len() - branch - 1) {
            Ok(over) => self.code[branch].if_true = over,
            Err(_) => {
                // A branch reaches 255 instructions, a plain jump all of them; jumps within `low` are relative.
                let over = (self.code.len() - branch - 1) as u32;
                self.code[branch].if_false = 1;
                self.code.insert(branch + 1, Instruction { code: GO, if_true: 0, if_false: 0, k: over });
            }
        }
        self.search(high);
    }

    fn decide(&mut self, rule: &Rule) {
        match rule {
            Rule::Plain(verdict) => self.answer(*verdict),
            Rule::Arms(arms) => {
                let mut loaded = None;
                for checks in arms {
                    loaded = self.arm(checks, loaded);
                }
                self.answer(Verdict::Refuse);
            }
        }
    }

    /// Answers if all checks hold. `loaded` is the argument that has been loaded before, on every way here; what is so
    /// behind the arm is returned.
    fn arm(&mut self, checks: &[Check], mut loaded: Option<u8>) -> Option<u8> {
        assert!(!checks.is_empty(), "an arm without a check is a plain rule");
        let mut branches = Vec::with_capacity(checks.len());
        for check in checks {
            if loaded != Some(check.argument) {
                self.push(LOAD, ARGUMENTS + 8 * u32::from(check.argument));
                loaded = Some(check.argument);
            }
            // Where it does not hold, the branch is to go behind the arm.
            let (code, value, to_next_if) = match check.test {
                Test::Is(value) => (IF_EQUAL, value, false),
                Test::Below(value) => (IF_AT_LEAST, value, true),
                Test::Above(value) => (IF_ABOVE, value, false),
                Test::Bits(mask, bits) => {
                    self.push(AND, mask);
                    loaded = None;
                    (IF_EQUAL, bits, false)
                }
            };
            branches.push((self.code.len(), to_next_if));
            self.branch(code, value, 0, 0);
        }
        self.answer(Verdict::Allow);
        for &(branch, to_next_if) in &branches {
            let next = u8::try_from(self.code.len() - branch - 1).expect("an arm is a handful of checks");
            let Instruction { if_true, if_false, .. } = &mut self.code[branch];
            *(if to_next_if { if_true } else { if_false }) = next;
        }
        // Which check failed decides what is loaded; all of them look at one argument, or it is not known.
        loaded.filter(|last| checks.iter().all(|check| check.argument == *last))
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

    /// How many instructions are run until the number has its answer, or its arguments are looked at.
    fn steps_to_an_answer(program: &[Instruction], number: u32) -> usize {
        let mut at = 0;
        for step in 1.. {
            let Instruction { code, if_true, if_false, k } = program[at];
            let a = if at <= 2 { MACHINE.audit_arch } else { number };
            let holds = match code {
                RETURN => return step,
                LOAD if k >= ARGUMENTS => return step,
                IF_EQUAL => a == k,
                IF_AT_LEAST => a >= k,
                _ => false,
            };
            let jump = if code == GO { k as usize } else { 0 };
            let branch = [IF_EQUAL, IF_AT_LEAST].contains(&code).then_some(if holds { if_true } else { if_false });
            at += 1 + jump + usize::from(branch.unwrap_or(0));
        }
        unreachable!("a program ends")
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
        // The kernel runs the program for each number there is, and it must not take long.
        let program = compile(MACHINE, &rules(), false);
        let steps = (0..512).map(|number| steps_to_an_answer(&program, number)).max().unwrap();
        assert!(steps <= 30, "{steps}");
    }

    #[test]
    fn far_branches_go_by_a_jump() {
        let number = |n: u32| Rule::Arms(vec![vec![check(0, Test::Is(n)), check(1, Test::Is(n))]]);
        let rules: Vec<_> = (0..400).map(|n| (2 * n, number(n))).collect();
        let program = compile(MACHINE, &rules, false);
        assert!(program.iter().filter(|instruction| instruction.code == GO).count() > 2);
        for at in 0..820 {
            for argument in [0, u64::from(at) / 2, 7] {
                let arguments = [argument, argument, 0, 0, 0, 0];
                assert_eq!(run(&program, MACHINE.audit_arch, at, arguments), meant(&rules, at, arguments), "{at}");
            }
        }
    }
}
