//! A chart as pixels.

use super::style::{PLAIN, STYLE};
use resvg::{tiny_skia, usvg};

/// Why there is no picture in pixels.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// No text can be drawn.
    #[error("no font is installed, so text cannot be drawn: install one (fonts-dejavu-core), or write SVG")]
    NoFont,
    /// The SVG cannot be parsed.
    #[error("cannot parse the picture: {0}")]
    Svg(#[from] usvg::Error),
    /// A side is 0 or too long.
    #[error("cannot draw a picture of {width} x {height} pixels")]
    Size {
        /// Pixels.
        width: f32,
        /// Pixels.
        height: f32,
    },
    /// The pixels cannot be written.
    #[error("cannot write the pixels: {0}")]
    Encode(String),
}

/// An SVG of [`Chart::to_svg`](super::Chart::to_svg) as PNG, `scale` pixels for each of its own, in its light colours.
/// Text is drawn with the fonts of the system.
///
/// # Errors
/// When no font is installed, the picture would be empty or too large, or the SVG cannot be parsed.
pub fn to_png(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let mut options = usvg::Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_system_fonts();
    // fontconfig decides what "sans-serif" is; without it, any installed font.
    let known = fonts.query(&usvg::fontdb::Query {
        families: &[usvg::fontdb::Family::SansSerif],
        ..Default::default()
    });
    if known.is_none() {
        let family = fonts
            .faces()
            .find_map(|face| face.families.first().map(|(name, _)| name.clone()));
        fonts.set_sans_serif_family(family.ok_or(PngError::NoFont)?);
    }
    // The renderer would warn of media queries, on stderr.
    let tree = usvg::Tree::from_str(&svg.replacen(STYLE, PLAIN, 1), &options)?;
    let size = tree.size();
    let (width, height) = ((size.width() * scale).ceil(), (size.height() * scale).ceil());
    let too_large = PngError::Size { width, height };
    // Casts of floats saturate, and the pixels themselves are bounded: 400 million bytes.
    if width.is_nan() || width * height > 1e8 {
        return Err(too_large);
    }
    let mut pixels = tiny_skia::Pixmap::new(width as u32, height as u32).ok_or(too_large)?;
    resvg::render(
        &tree,
        tiny_skia::Transform::from_scale(scale, scale),
        &mut pixels.as_mut(),
    );
    pixels.encode_png().map_err(|error| PngError::Encode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, Chart, Series, Shape, Unit};
    use std::sync::Mutex;

    #[test]
    fn the_pixels_are_those_of_the_picture() {
        let mut chart = Chart::new("A line", Axis::time("time"), Axis::linear("bytes", Unit::Bytes));
        chart
            .series
            .push(Series::new("up", Shape::Line(vec![(0.0, 0.0), (1.0, 1000.0)])));
        match to_png(&chart.to_svg(), 2.0) {
            Ok(png) => {
                let pixels = tiny_skia::Pixmap::decode_png(&png).expect("a PNG");
                assert_eq!((pixels.width(), pixels.height()), (1520, 800));
                let blue = |pixel: &tiny_skia::PremultipliedColorU8| {
                    (pixel.red(), pixel.green(), pixel.blue()) == (0x00, 0x72, 0xb2)
                };
                assert!(pixels.pixels().iter().any(blue), "the line has its colour");
            }
            Err(PngError::NoFont) => eprintln!("no font is installed: not tested"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Counts what the renderer has to complain about.
    struct Complaints;

    static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

    impl log::Log for Complaints {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            let complaint = format!("{}: {}", record.target(), record.args());
            COMPLAINTS.lock().expect("no panic").push(complaint);
        }

        fn flush(&self) {}
    }

    #[test]
    fn the_renderer_has_nothing_to_warn_of() {
        log::set_logger(&Complaints).expect("no other logger");
        log::set_max_level(log::LevelFilter::Warn);
        let svg = Chart::new("A title", Axis::time("x"), Axis::time("y")).to_svg();
        match to_png(&svg, 1.0) {
            Ok(_) => assert_eq!(*COMPLAINTS.lock().expect("no panic"), [""; 0]),
            Err(PngError::NoFont) => eprintln!("no font is installed: not tested"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        let svg = Chart::new("", Axis::time("x"), Axis::time("y")).to_svg();
        for scale in [0.0, -1.0, f32::NAN, 1e9] {
            assert!(to_png(&svg, scale).is_err(), "{scale}");
        }
    }
}
