//! Frames of a capture.
