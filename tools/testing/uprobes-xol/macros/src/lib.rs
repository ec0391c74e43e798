// SPDX-License-Identifier: GPL-2.0

//! Attributes of the kernel's prelude, on the host.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Leaves a struct as it is, without its `#[pin]` attributes: nothing here relies on being pinned.
#[proc_macro_attribute]
pub fn pin_data(_: TokenStream, item: TokenStream) -> TokenStream {
    without_pin(item)
}

/// Leaves a function that C calls as it is.
#[proc_macro_attribute]
pub fn export(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// Leaves a module of tests as it is.
#[proc_macro_attribute]
pub fn kunit_tests(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

fn without_pin(tokens: TokenStream) -> TokenStream {
    let mut output = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
        if hash && matches!(tokens.peek(), Some(TokenTree::Group(group)) if is_pin(group)) {
            tokens.next();
            continue;
        }
        output.push(match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                Group::new(Delimiter::Brace, without_pin(group.stream())).into()
            }
            token => token,
        });
    }
    output.into_iter().collect()
}

fn is_pin(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket && group.stream().to_string() == "pin"
}
