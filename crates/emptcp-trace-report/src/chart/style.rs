//! Colours and fonts of all charts.

/// The style sheet of charts. Colours are those of Okabe and Ito, a little darker where they would be faint on white.
/// The dark ones come second, so a reader of SVG that knows no media queries gets the light ones.
pub const STYLE: &str = "\
.chart{font-family:system-ui,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif;font-size:12px}
.chart text{fill:#4b5563}.chart .title{fill:#111827;font-size:15px;font-weight:600}.chart .name{fill:#1f2937}
.chart .word{stroke:#fff;stroke-width:3;stroke-linejoin:round;paint-order:stroke}
.chart .paper{fill:#fff}.chart .grid{stroke:#e5e7eb;stroke-width:1;fill:none}.chart .fine{stroke:#f3f4f6;stroke-width:1;fill:none}
.chart .frame{stroke:#9ca3af;stroke-width:1;fill:none}
.chart .line{stroke:currentColor;stroke-width:2;fill:none;stroke-linejoin:round}
.chart .thin{stroke:currentColor;stroke-width:1.3;fill:none}
.chart .dot{stroke:currentColor;stroke-width:3;stroke-linecap:round;fill:none}
.chart .disc{stroke:currentColor;stroke-width:7;stroke-linecap:round;fill:none}
.chart .solid{fill:currentColor}.chart .box{fill:currentColor;fill-opacity:.22;stroke:currentColor;stroke-width:1.3}
.chart .median{stroke:currentColor;stroke-width:3;fill:none}
.chart .mark{stroke:currentColor;stroke-width:1;stroke-dasharray:3 3;fill:none}
.chart .c0{color:#0072b2}.chart .c1{color:#d55e00}.chart .c2{color:#009e73}.chart .c3{color:#b5598c}
.chart .c4{color:#c98500}.chart .c5{color:#2f9bd6}.chart .c6{color:#374151}
@media (prefers-color-scheme:dark){
.chart text{fill:#aab3c0}.chart .title{fill:#f3f4f6}.chart .name{fill:#e5e7eb}
.chart .word{stroke:#14181f}.chart .paper{fill:#14181f}.chart .grid{stroke:#2b323d}.chart .fine{stroke:#1f252e}.chart .frame{stroke:#5b6675}
.chart .c0{color:#3da5e8}.chart .c1{color:#f0752b}.chart .c2{color:#1fc79a}.chart .c3{color:#dd8fbb}
.chart .c4{color:#e9a820}.chart .c5{color:#7cc8f2}.chart .c6{color:#d1d5db}}
@media print{
.chart text{fill:#222}.chart .title,.chart .name{fill:#000}.chart .word{stroke:#fff}.chart .paper{fill:#fff}
.chart .grid{stroke:#ddd}.chart .fine{stroke:#eee}.chart .frame{stroke:#777}
.chart .c0{color:#0072b2}.chart .c1{color:#d55e00}.chart .c2{color:#009e73}.chart .c3{color:#b5598c}
.chart .c4{color:#c98500}.chart .c5{color:#2f9bd6}.chart .c6{color:#374151}}
";

/// Dashes of lines, so that lines differ in grey too.
pub(super) const DASHES: [&str; 4] = ["none", "7 3", "2 3", "9 3 2 3"];

/// Approximate width of a text; fonts differ.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let narrow = |letter: char| "iljtfr.,:;|'()[]1 \u{2009}".contains(letter);
    let wide = |letter: char| "mwMW%@".contains(letter) || letter.is_ascii_uppercase() || !letter.is_ascii();
    text.chars()
        .map(|letter| match letter {
            _ if narrow(letter) => 0.36,
            _ if wide(letter) => 0.75,
            _ => 0.57,
        })
        .sum::<f64>()
        * size
}

/// The text without characters that XML does not know.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
