//! Rust cut into tokens and comments, so that no rule mistakes a string or a comment for code.
//!
//! **Promises**: comments (nested ones too), strings of every kind, characters and lifetimes are told apart as rustc
//! does. **Does not promise**: to reject what rustc rejects; an unterminated string or comment runs to the end.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Punct,
    Text,
    Char,
    Number,
    Lifetime,
}

/// A piece of code. The text of a string is what stands between its quotes.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
    /// Whether it belongs to a test; [`crate::scope`] finds that out.
    pub test: bool,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Punct) && self.text == text
    }
}

/// A comment, markers included.
#[derive(Clone, Debug)]
pub struct Comment {
    pub text: String,
    pub line: usize,
}

impl Comment {
    pub fn last_line(&self) -> usize {
        self.line + self.text.matches('\n').count()
    }
}

/// One Rust file, cut up.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
}

impl Source {
    pub fn of(text: &str) -> Self {
        let mut lexer = Lexer { rest: text, line: 1, source: Source::default() };
        while lexer.step() {}
        lexer.source
    }

    /// Whether the tokens from `at` on read as `words`; `*` stands for any one token.
    pub fn reads(&self, at: usize, words: &[&str]) -> bool {
        self.tokens.len() >= at + words.len()
            && words.iter().zip(&self.tokens[at..]).all(|(word, token)| *word == "*" || token.is(word))
    }

    /// Every place where the tokens read as `words`.
    pub fn places<'a>(&'a self, words: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
        (0..self.tokens.len()).filter(move |&at| self.reads(at, words))
    }

    /// The index of the bracket that closes the one at `open`, or of the last token.
    pub fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            if token.kind == Kind::Punct {
                match token.text.as_str() {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth = depth.saturating_sub(1),
                    _ => continue,
                }
                if depth == 0 {
                    return at;
                }
            }
        }
        self.tokens.len().saturating_sub(1)
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    source: Source,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if first.is_whitespace() {
            self.take(first.len_utf8());
        } else if self.rest.starts_with("//") {
            self.comment(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.comment(block_comment(self.rest));
        } else if let Some((prefix, hashes)) = raw_string(self.rest) {
            self.raw_text(prefix, hashes);
        } else if let Some(prefix) = ["\"", "b\"", "c\""].iter().find(|prefix| self.rest.starts_with(**prefix)) {
            self.quoted(prefix.len(), '"', Kind::Text);
        } else if self.rest.starts_with("b'") {
            self.quoted(2, '\'', Kind::Char);
        } else if first == '\'' {
            self.tick();
        } else if first.is_ascii_digit() {
            self.token(Kind::Number, number(self.rest));
        } else if first == '_' || first.is_alphabetic() {
            if self.rest.starts_with("r#") {
                self.take(2);
            }
            self.token(Kind::Word, word(self.rest));
        } else {
            self.token(Kind::Punct, first.len_utf8());
        }
        true
    }

    /// Moves on by `length` bytes, and counts the lines in them.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn comment(&mut self, length: usize) {
        let line = self.line;
        let text = self.take(length).to_owned();
        self.source.comments.push(Comment { text, line });
    }

    fn token(&mut self, kind: Kind, length: usize) {
        let line = self.line;
        let text = self.take(length).to_owned();
        self.source.tokens.push(Token { kind, text, line, test: false });
    }

    fn raw_text(&mut self, prefix: usize, hashes: usize) {
        self.take(prefix);
        let end = format!("\"{}", "#".repeat(hashes));
        let length = self.rest.find(&end).unwrap_or(self.rest.len());
        self.token(Kind::Text, length);
        self.take(end.len().min(self.rest.len()));
    }

    fn quoted(&mut self, prefix: usize, quote: char, kind: Kind) {
        self.take(prefix);
        let mut escaped = false;
        let end = self.rest.char_indices().find(|&(_, c)| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.token(kind, end.map_or(self.rest.len(), |(at, _)| at));
        self.take(1.min(self.rest.len()));
    }

    /// `'x'` and `'\n'` are characters; a tick with a name behind it, and no second tick, is a lifetime.
    fn tick(&mut self) {
        let mut ahead = self.rest.chars().skip(1);
        let (first, second) = (ahead.next(), ahead.next());
        if first == Some('\\') || second == Some('\'') {
            self.quoted(1, '\'', Kind::Char);
        } else {
            self.token(Kind::Lifetime, 1 + word(&self.rest[1..]));
        }
    }
}

fn word(text: &str) -> usize {
    text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len())
}

/// `1.5e3` and `0xff_u8` are one number each; in `1..2` and `1.max(2)` the dot is not part of it.
fn number(text: &str) -> usize {
    let whole = word(text);
    let fraction = text[whole..].strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    fraction.map_or(whole, |rest| whole + 1 + word(rest))
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length up to and with the first quote, and the number of hashes, of `r"`, `br#"`, `cr##"` and the like.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"')))?;
    let hashes = text[prefix.len()..].find('"')?;
    Some((prefix.len() + hashes + 1, hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let only_words = |token: &Token| token.kind == Kind::Word;
        Source::of(text).tokens.into_iter().filter(only_words).map(|token| token.text).collect()
    }

    #[test]
    fn strings_and_comments_hold_no_code() {
        let rows: [(&str, &[&str]); 14] = [
            ("a // b\n c", &["a", "c"]),
            ("a /* b /* c */ d */ e", &["a", "e"]),
            (r#"a "b \" c" d"#, &["a", "d"]),
            (r#"a "b \\" c"#, &["a", "c"]),
            ("a r\"b \\\" c", &["a", "c"]),
            ("a r##\"b \"# c\"## d", &["a", "d"]),
            ("a b\"b\" br#\"c\"# c\"d\" cr\"e\" f", &["a", "f"]),
            ("a 'b' '\\'' '\\u{1F600}' '\"' c", &["a", "c"]),
            ("a b'b' b'\\'' c", &["a", "c"]),
            ("a<'b> 'c: loop", &["a", "loop"]),
            ("r#type rest br", &["type", "rest", "br"]),
            ("a /* never closed", &["a"]),
            ("a \"never closed", &["a"]),
            ("fn f<'a>(x: &'a str) -> char { 'a' }", &["fn", "f", "x", "str", "char"]),
        ];
        for (row, (text, want)) in rows.into_iter().enumerate() {
            assert_eq!(words(text), want, "row {row}: {text}");
        }
    }

    #[test]
    fn every_token_knows_its_line() {
        let source = Source::of("a\n/* x\ny */ b \"1\n2\" c\n// z\nd");
        let lines: Vec<_> = source.tokens.iter().map(|token| (token.text.as_str(), token.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 3), ("1\n2", 3), ("c", 4), ("d", 6)]);
        let comments: Vec<_> = source.comments.iter().map(|comment| (comment.line, comment.last_line())).collect();
        assert_eq!(comments, [(2, 3), (5, 5)]);
    }

    #[test]
    fn numbers_end_before_a_range_and_a_method() {
        let texts = |text| Source::of(text).tokens.into_iter().map(|token| token.text).collect::<Vec<_>>();
        assert_eq!(texts("1..2"), ["1", ".", ".", "2"]);
        assert_eq!(texts("1.max(2)"), ["1", ".", "max", "(", "2", ")"]);
        assert_eq!(texts("1.5e3 0xff_u8"), ["1.5e3", "0xff_u8"]);
    }

    #[test]
    fn a_string_keeps_its_text() {
        let source = Source::of("x(\"// no comment\")");
        assert_eq!(source.tokens[2].text, "// no comment");
        assert_eq!(source.tokens[2].kind, Kind::Text);
        assert!(!source.tokens[2].is("// no comment"), "a string never reads as code");
        assert!(source.comments.is_empty());
    }

    #[test]
    fn brackets_find_their_partner() {
        let source = Source::of("f(a[1], {b}) c");
        assert_eq!(source.closing(1), source.tokens.len() - 2);
        assert_eq!(Source::of("f(a").closing(1), 2, "an open bracket ends with the file");
    }
}
