//! Tests as calls of selector elements: `ip.dscp == 46` becomes the element that declares `ip.dscp`, with `value=46`.

use super::formula::Formula;
use crate::expression::{CallArgument, Compare, Expression, Primary, Test, Wanted, vocabulary as words};
use crate::fields::{Field, Fields};
use crate::plan::Value;
use crate::values::{format_range, packet_types};
use std::ops::Range;

/// One selector to be called; spans are bytes of the condition.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its name; empty if no element declares this word of the compiler.
    pub(crate) element: String,
    pub(crate) arguments: Vec<CallArgument>,
    /// Position of the element's name, or of the test that stands for it.
    pub(crate) name_span: Range<usize>,
    /// The test as a whole.
    pub(crate) span: Range<usize>,
    /// The user wrote the name of the element.
    pub(crate) by_name: bool,
}

/// A condition as a formula over calls; sets become alternatives.
pub(crate) fn formula(expression: &Expression, fields: &Fields) -> Formula<Call> {
    let each = |parts: &[Expression]| parts.iter().map(|part| formula(part, fields)).collect();
    match expression {
        Expression::Or(parts) => Formula::Or(each(parts)),
        Expression::And(parts) => Formula::And(each(parts)),
        Expression::Not(inner) => Formula::Not(Box::new(formula(inner, fields))),
        Expression::Test(test) => calls(test, fields),
    }
}

fn calls(test: &Test, fields: &Fields) -> Formula<Call> {
    let core = |name: &str, values: Vec<String>| core(test, fields, name, values);
    match &test.primary {
        Primary::Address(end, prefixes) => any(prefixes, |prefix| core(words::address(*end), vec![prefix.to_string()])),
        Primary::Pair(source, destination) => core(words::IP_PAIR, vec![source.to_string(), destination.to_string()]),
        Primary::Subflow(a, b) => {
            let ends = [a, b].into_iter();
            let values = ends.flat_map(|end| [end.ip().to_string(), end.port().to_string()]);
            core(words::SUBFLOW, values.collect())
        }
        Primary::Port(side, ports) => any(ports, |ports| core(words::port(*side), vec![ports.to_string()])),
        Primary::IpVersion(versions) => any(versions, |version| core(words::IP_VERSION, vec![version.to_string()])),
        Primary::Device(devices) => any(devices, |device| core(words::DEVICE, vec![device.clone()])),
        Primary::Direction(direction) => core(words::DIRECTION, vec![words::direction(*direction).to_owned()]),
        Primary::PacketIs(bits) | Primary::PacketHas(bits) => core(words::PACKET, vec![packet_types::format(*bits)]),
        Primary::Field(field, wanted) => declared(test, field, wanted),
        Primary::Call { name, arguments } => Formula::Atom(Call {
            element: name.clone(),
            arguments: arguments.clone(),
            name_span: test.span.start..test.span.start + name.len(),
            span: test.span.clone(),
            by_name: true,
        }),
    }
}

/// A call with these arguments, and with those that the field has in each test.
fn call<'f>(
    test: &Test,
    field: Option<&'f Field>,
    arguments: impl IntoIterator<Item = (&'f String, String)>,
) -> Formula<Call> {
    let always = field.into_iter().flat_map(|field| &field.declaration.with);
    let always = always.map(|(name, value)| (name, value.clone()));
    let argument = |(name, value): (&String, String)| CallArgument {
        name: name.clone(),
        value,
        name_span: test.span.clone(),
        value_span: test.span.clone(),
    };
    Formula::Atom(Call {
        element: field.map(|field| field.element.clone()).unwrap_or_default(),
        arguments: always.chain(arguments).map(argument).collect(),
        name_span: test.span.clone(),
        span: test.span.clone(),
        by_name: false,
    })
}

/// A word of the compiler's own, by the element that declares it.
fn core(test: &Test, fields: &Fields, name: &str, values: Vec<String>) -> Formula<Call> {
    let field = fields.named(name, false).map(AsRef::as_ref);
    let names = field.into_iter().flat_map(|field| &field.declaration.arguments);
    call(test, field, names.zip(values))
}

/// A test of a field that an element declares.
fn declared(test: &Test, field: &Field, wanted: &Wanted) -> Formula<Call> {
    let declaration = &field.declaration;
    // A field's declaration has what its form needs: that is checked when the manifest is read.
    let with = |value: String, helper: Option<(&Option<String>, &str)>| {
        let helper = helper.and_then(|(name, word)| Some((name.as_ref()?, word.to_owned())));
        let value = declaration.arguments.first().map(|name| (name, value));
        call(test, Some(field), helper.into_iter().chain(value))
    };
    let inside = |value: &Value, word: &'static str| with(field.given(value), Some((&declaration.inside, word)));
    let compare = |compare: Compare, number: u64| {
        let value = field.given(&Value::Integer(number));
        with(value, Some((&declaration.compare, compare.word())))
    };
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" };
    match wanted {
        Wanted::OneOf(values) => any(values, |value| inside(value, "yes")),
        Wanted::NoneOf(values) => Formula::And(values.iter().map(|value| inside(value, "no")).collect()),
        Wanted::Compare(sign, number) => compare(*sign, *number),
        Wanted::Within(ranges) => any(ranges, |(low, high)| match low == high {
            true => compare(Compare::Equal, *low),
            false => Formula::And(vec![
                compare(Compare::GreaterOrEqual, *low),
                compare(Compare::LessOrEqual, *high),
            ]),
        }),
        // Without a number none of these comparisons holds, so "outside" is no negation.
        Wanted::Outside(ranges) => {
            let outside = |(low, high): &(u64, u64)| match low == high {
                true => compare(Compare::NotEqual, *low),
                false => Formula::Or(vec![compare(Compare::Less, *low), compare(Compare::Greater, *high)]),
            };
            Formula::And(ranges.iter().map(outside).collect())
        }
        Wanted::Word(position) => with(field.words().get(*position).cloned().unwrap_or_default(), None),
        Wanted::Flag(set) => with(yes_or_no(*set).to_owned(), None),
        Wanted::Range { relative, low, high } => with(
            format_range(*low, *high),
            Some((&declaration.relative, yes_or_no(*relative))),
        ),
        Wanted::OneIn(n) => with(n.to_string(), None),
    }
}

fn any<T>(values: &[T], each: impl Fn(&T) -> Formula<Call>) -> Formula<Call> {
    Formula::Or(values.iter().map(each).collect())
}
