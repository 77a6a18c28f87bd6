//! The form of CHANGELOG.md, which people and tools read: newest first, dated, grouped, whole sentences.
use crate::rule::{Found, Rule, Sample};
use crate::tree::Tree;

const GROUPS: &[&str] = &["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

pub const RULES: &[Rule] = &[Rule {
    name: "changelog",
    remedy: "follow the form of https://keepachangelog.com: `## [1.2.3] - 2026-01-31`, `### Added`, `- A sentence.`",
    check: form,
    samples: &[
        Sample {
            files: &[(
                "CHANGELOG.md",
                "# Changelog\n\n## [0.1.0] - soon\n### Stuff\n- No stop\n## [0.1.0] - 2026-01-30\n## [0.2.0] - 2026-01-31\n### Added\n## 0.0.1\n",
            )],
            caught: &[
                "CHANGELOG.md:3",
                "CHANGELOG.md:4",
                "CHANGELOG.md:5",
                "CHANGELOG.md:7",
                "CHANGELOG.md:8",
                "CHANGELOG.md:9",
            ],
        },
        Sample { files: &[("CHANGELOG.md", "Changes\n")], caught: &["CHANGELOG.md:1"] },
        Sample { files: &[("Cargo.toml", "[package]\nname = \"proscenium\"\n")], caught: &["CHANGELOG.md:1"] },
        Sample {
            files: &[(
                "CHANGELOG.md",
                "# Changelog\n\nText.\n\n## [Unreleased]\n\n### Added\n- A thing, which takes\n  two lines.\n- **Breaking**: another.\n\n\
                 ## [0.2.0] - 2026-01-31\n### Fixed\n- It works.\n## [0.1.0] - 2025-12-31\n### Added\n- It.\n[0.1.0]: https://example.org\n",
            )],
            caught: &[],
        },
    ],
}];

fn form(tree: &Tree, found: &mut Found) {
    const PATH: &str = "CHANGELOG.md";
    let Some(file) = tree.file(PATH) else { return found.at(PATH, 1, "there is no change log") };
    if !file.text.starts_with("# Changelog\n") {
        found.at(PATH, 1, "it does not begin with `# Changelog`");
    }
    let mut last_version = None;
    let lines: Vec<&str> = file.text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let next = lines[at + 1..].iter().find(|line| !line.is_empty());
        if let Some(title) = line.strip_prefix("## ") {
            match version(title) {
                None => found.at(PATH, at + 1, format!("`{title}` is no version with its date, nor `[Unreleased]`")),
                Some(version) if last_version.is_some_and(|last| last <= version) => {
                    found.at(PATH, at + 1, "a version that is not older than the one above it");
                }
                Some(version) => last_version = Some(version),
            }
        } else if let Some(group) = line.strip_prefix("### ") {
            if !GROUPS.contains(&group) {
                found.at(PATH, at + 1, format!("`{group}` is none of {}", GROUPS.join(", ")));
            } else if !next.is_some_and(|next| next.starts_with("- ")) {
                found.at(PATH, at + 1, "a group with nothing in it");
            }
        } else if (line.starts_with("- ") || line.starts_with("  "))
            && !goes_on(lines.get(at + 1))
            && !line.ends_with('.')
        {
            found.at(PATH, at + 1, "an entry that is no sentence");
        }
    }
}

/// Whether an entry goes on in its next line.
fn goes_on(next: Option<&&str>) -> bool {
    next.is_some_and(|next| next.starts_with("  "))
}

/// The version that a title names; what is not released comes above all.
fn version(title: &str) -> Option<[u32; 3]> {
    if title == "[Unreleased]" {
        return Some([u32::MAX; 3]);
    }
    let (version, date) = title.strip_prefix('[')?.split_once("] - ")?;
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    is_date.then_some(numbers)?.try_into().ok()
}
