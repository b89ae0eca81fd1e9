//! Rust code as one line, laid out the same whatever the layout of its source.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The code of `item` on one line, without comments.
pub(super) fn text(item: impl ToTokens) -> String {
    let mut line = Line::default();
    line.stream(item.to_token_stream());
    line.text
}

/// Words that always have a blank before and after them.
const KEYWORDS: &[&str] = &["as", "const", "dyn", "in", "mut", "return", "unsafe", "where"];

/// Whether it is the inside of a comment for the documentation.
fn is_doc(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let mut inside = group.stream().into_iter();
    let is_doc = matches!(inside.next(), Some(TokenTree::Ident(word)) if word == "doc");
    is_doc && matches!(inside.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
}

/// The kind of the last token, as far as it decides whether a blank follows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    /// Nothing, or a token without a blank after it.
    #[default]
    Open,
    Word,
    /// `'a`: a blank follows before a word or a bracket.
    Lifetime,
    /// `,`, `;`, a closing brace, an operator: a blank follows.
    Apart,
    /// `)`, `]`, `>`, `*`: a blank follows before a word.
    Close,
    /// The first half of an operator, or of a lifetime.
    Joint,
}

#[derive(Default)]
struct Line {
    text: String,
    last: Last,
}

impl Line {
    fn stream(&mut self, stream: TokenStream) {
        let mut tokens = stream.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let is_hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
            if is_hash && tokens.next_if(is_doc).is_some() {
                continue;
            }
            match token {
                TokenTree::Ident(word) => self.word(&word.to_string()),
                TokenTree::Literal(literal) => self.word(&literal.to_string()),
                TokenTree::Punct(punct) => self.punct(punct.as_char(), punct.spacing()),
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
            }
        }
    }

    fn word(&mut self, word: &str) {
        self.blank_if(!matches!(self.last, Last::Open | Last::Joint));
        let is_lifetime = self.text.ends_with('\'');
        self.text += word;
        self.last = match KEYWORDS.contains(&word) {
            true => Last::Apart,
            false if is_lifetime => Last::Lifetime,
            false => Last::Word,
        };
    }

    fn punct(&mut self, c: char, spacing: Spacing) {
        let is_half = self.last == Last::Joint;
        let before = match c {
            ',' | ';' | ':' | '.' | '?' | '>' => self.last == Last::Apart && matches!(c, '?' | '>' | ':'),
            '<' | '!' => self.last == Last::Apart,
            '\'' | '#' | '$' => !matches!(self.last, Last::Open),
            '&' | '*' => !matches!(self.last, Last::Open),
            _ => true,
        };
        self.blank_if(before && !is_half);
        self.text.push(c);
        self.last = match (spacing, c) {
            (Spacing::Joint, '<' | '>' | '&' | '*' | ',') => Last::Close,
            (Spacing::Joint, _) => Last::Joint,
            (_, '<' | '&' | '!' | '#' | '$' | '?' | '.') => Last::Open,
            (_, ':') if self.text.ends_with("::") => Last::Open,
            (_, '>') if !self.text.ends_with("->") && !self.text.ends_with("=>") => Last::Close,
            (_, '*') => Last::Open,
            _ => Last::Apart,
        };
        if c == '&' || c == '<' {
            self.last = Last::Open;
        }
    }

    fn group(&mut self, delimiter: Delimiter, content: TokenStream) {
        let (open, close, before) = match delimiter {
            Delimiter::Parenthesis => ("(", ")", self.last == Last::Apart),
            Delimiter::Bracket => (
                "[",
                "]",
                matches!(self.last, Last::Apart | Last::Close | Last::Lifetime),
            ),
            Delimiter::Brace => ("{", "}", self.last != Last::Open),
            Delimiter::None => ("", "", false),
        };
        self.blank_if(before);
        let apart = delimiter == Delimiter::Brace && !content.is_empty();
        self.text += open;
        self.last = if apart { Last::Apart } else { Last::Open };
        self.stream(content);
        // The comma after the last item of a list is only layout.
        if self.text.ends_with(',') && delimiter != Delimiter::None {
            self.text.pop();
        }
        if apart {
            self.text.push(' ');
        }
        self.text += close;
        self.last = match delimiter {
            Delimiter::Brace => Last::Apart,
            _ => Last::Close,
        };
    }

    fn blank_if(&mut self, wanted: bool) {
        if wanted && !self.text.is_empty() && !self.text.ends_with([' ', '(', '[']) {
            self.text.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    /// What is read from `code` and written again.
    fn again(code: &str) -> String {
        text(code.parse::<proc_macro2::TokenStream>().expect("tokens"))
    }

    #[test]
    fn code_is_written_as_the_formatter_of_rust_would_write_it() {
        for code in [
            "pub fn parse<'a, T: Into<Key> + ?Sized>(bytes: &'a [u8], key: &mut T) -> Result<Option<Self>, Error>",
            "pub fn run<F>(&self, body: F) -> Result<()> where F: FnOnce(u8) -> [u8; 4] + Send",
            "impl<const N: usize> From<[u8; N]> for crate::list::List<u8, N>",
            "pub const MASK: u32 = !1 + 4",
            "dyn Fn(&str) -> Box<dyn Error + Send + 'static>",
            "#[cfg(feature = \"serde\")]",
            "*const u8",
            "fn fill(&self, room: &mut [u8]) -> impl Iterator<Item = &'static str>",
        ] {
            assert_eq!(again(code), code);
        }
    }

    #[test]
    fn the_layout_of_the_source_does_not_show() {
        assert_eq!(
            again("fn f (\n    a : u8 ,\n    b : & [ u8 ] ,\n) -> ( u8 , )"),
            again("fn f(a: u8, b: &[u8]) -> (u8)")
        );
    }
}
