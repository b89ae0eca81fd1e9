//! Colours and fonts of all charts.

/// What holds in every setting: fonts, widths of lines, the light colours. Colours are those of Okabe and Ito, a little
/// darker where they would be faint on white.
macro_rules! plain {
    () => {
        "\
.chart{font-family:system-ui,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif;font-size:12px}
.chart text{fill:#4b5563}.chart .title{fill:#111827;font-size:15px;font-weight:600}.chart .name,.chart .flag{fill:#1f2937}
.chart .flag{font-size:11px}
.chart .word{stroke:#fff;stroke-width:3;stroke-linejoin:round;paint-order:stroke}
.chart .paper{fill:#fff}.chart .grid{stroke:#e5e7eb;stroke-width:1;fill:none}.chart .fine{stroke:#f3f4f6;stroke-width:1;fill:none}
.chart .frame{stroke:#9ca3af;stroke-width:1;fill:none}
.chart .line{stroke:currentColor;stroke-width:2;fill:none;stroke-linejoin:round}
.chart .slim{stroke:currentColor;stroke-width:1.1;fill:none}
.chart .thin{stroke:currentColor;stroke-width:1.3;fill:none}
.chart .ring{stroke:currentColor;stroke-width:1.1;fill:none}
.chart .dot{stroke:currentColor;stroke-width:3;stroke-linecap:round;fill:none}
.chart .disc{stroke:currentColor;stroke-width:7;stroke-linecap:round;fill:none}
.chart .solid{fill:currentColor}.chart .box{fill:currentColor;fill-opacity:.22;stroke:currentColor;stroke-width:1.3}
.chart .median{stroke:currentColor;stroke-width:3;fill:none}
.chart .mark{stroke:#6b7280;stroke-width:1;stroke-dasharray:3 3;fill:none}.chart .pole{stroke:#6b7280;stroke-width:1;fill:none}
.chart .c0{color:#0072b2}.chart .c1{color:#d55e00}.chart .c2{color:#009e73}.chart .c3{color:#b5598c}
.chart .c4{color:#c98500}.chart .c5{color:#2f9bd6}.chart .c6{color:#374151}
"
    };
}

/// What differs for dark settings and for print.
macro_rules! media {
    () => {
        "\
@media (prefers-color-scheme:dark){
.chart text{fill:#aab3c0}.chart .title{fill:#f3f4f6}.chart .name,.chart .flag{fill:#e5e7eb}
.chart .word{stroke:#14181f}.chart .paper{fill:#14181f}.chart .grid{stroke:#2b323d}.chart .fine{stroke:#1f252e}.chart .frame{stroke:#5b6675}
.chart .mark,.chart .pole{stroke:#98a2b1}
.chart .c0{color:#3da5e8}.chart .c1{color:#f0752b}.chart .c2{color:#1fc79a}.chart .c3{color:#dd8fbb}
.chart .c4{color:#e9a820}.chart .c5{color:#7cc8f2}.chart .c6{color:#d1d5db}}
@media print{
.chart text{fill:#222}.chart .title,.chart .name,.chart .flag{fill:#000}.chart .word{stroke:#fff}.chart .paper{fill:#fff}
.chart .grid{stroke:#ddd}.chart .fine{stroke:#eee}.chart .frame{stroke:#777}.chart .mark,.chart .pole{stroke:#555}
.chart .c0{color:#0072b2}.chart .c1{color:#d55e00}.chart .c2{color:#009e73}.chart .c3{color:#b5598c}
.chart .c4{color:#c98500}.chart .c5{color:#2f9bd6}.chart .c6{color:#374151}}
"
    };
}

/// The style sheet of charts: light colours first, then those of dark settings and of print.
pub const STYLE: &str = concat!(plain!(), media!());

/// The part of [`STYLE`] that renderers of pixels know; they warn of media queries.
#[cfg(feature = "png")]
pub(super) const PLAIN: &str = plain!();

/// Dashes of lines, so that lines differ in grey too.
pub(super) const DASHES: [&str; 4] = ["none", "7 3", "2 3", "9 3 2 3"];

/// Approximate width of a text: that of DejaVu Sans, which is wider than other common fonts.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | 'I' | '|' | '\'' => 0.3,
            ' ' | '\u{2009}' | '.' | ',' | ':' | ';' => 0.33,
            't' | 'f' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' => 0.41,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.97,
            '_' => 0.5,
            _ if letter.is_ascii_uppercase() => 0.72,
            _ if letter.is_ascii() => 0.635,
            _ => 0.85,
        })
        .sum::<f64>()
        * size
}

/// The text in lines of at most this width, broken at spaces; what is too long without a space loses its beginning,
/// because the end of a path says more than its beginning.
pub(super) fn lines(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let longer = if line.is_empty() {
                word.to_owned()
            } else {
                format!("{line} {word}")
            };
            if line.is_empty() || text_width(&longer, size) <= width {
                line = longer;
            } else {
                lines.push(end(&line, size, width));
                word.clone_into(&mut line);
            }
        }
        if !line.is_empty() {
            lines.push(end(&line, size, width));
        }
    }
    lines
}

/// The end of a text, as much as is not wider than this.
pub(super) fn end(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let shorter = text.char_indices().skip(1).filter_map(|(at, _)| text.get(at..));
    let fits = |rest: &&str| text_width(rest, size) + text_width("…", size) <= width;
    format!("…{}", shorter.into_iter().find(fits).unwrap_or_default())
}

/// The text without characters that XML does not know.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
