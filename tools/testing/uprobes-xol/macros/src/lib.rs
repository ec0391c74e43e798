// SPDX-License-Identifier: GPL-2.0

//! Attributes of the kernel's prelude, on the host.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Leaves a struct without its `#[pin]` attributes: nothing here relies on being pinned. Scenarios
/// see all fields.
#[proc_macro_attribute]
pub fn pin_data(_: TokenStream, item: TokenStream) -> TokenStream {
    let fields = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let fields = fields(group.stream()).into_iter().map(public);
            Group::new(Delimiter::Brace, fields.collect()).into()
        }
        token => token,
    };
    item.into_iter().map(fields).collect()
}

/// Makes a function that C calls public: scenarios call it, too.
#[proc_macro_attribute]
pub fn export(_: TokenStream, item: TokenStream) -> TokenStream {
    public(item)
}

/// Leaves a module of tests where there are tests.
#[proc_macro_attribute]
pub fn kunit_tests(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut output: TokenStream = "#[cfg(test)]".parse().unwrap();
    output.extend(item);
    output
}

/// The fields of a struct, each with the comma behind it.
fn fields(tokens: TokenStream) -> Vec<TokenStream> {
    let mut fields = vec![TokenStream::new()];
    let mut depth = 0;
    for token in tokens {
        let punct = match &token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
        fields.last_mut().unwrap().extend([token]);
        match punct {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => fields.push(TokenStream::new()),
            _ => {}
        }
    }
    fields
}

/// Makes an item or a field public, which then is not pinned.
fn public(item: TokenStream) -> TokenStream {
    let mut tokens = item.into_iter().peekable();
    let mut output = TokenStream::new();
    while let Some(hash) =
        tokens.next_if(|it| matches!(it, TokenTree::Punct(punct) if punct.as_char() == '#'))
    {
        let attribute = tokens.next().unwrap();
        if attribute.to_string() != "[pin]" {
            output.extend([hash, attribute]);
        }
    }
    let is_private = match tokens.peek() {
        Some(TokenTree::Ident(word)) => word.to_string() != "pub",
        _ => false,
    };
    if is_private {
        output.extend("pub".parse::<TokenStream>().unwrap());
    }
    output.extend(tokens);
    output
}
