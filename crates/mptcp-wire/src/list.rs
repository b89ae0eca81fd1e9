//! A short list, stored inline: the 40 option bytes of a TCP header limit all lists, so no allocator is needed.

use crate::error::{Error, Result};
use core::fmt;
use core::ops::Deref;

/// At most `N` elements, kept inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct List<T, const N: usize> {
    // Elements from `length` on keep their default, so that the derived comparison is right.
    elements: [T; N],
    length: usize,
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// The empty list.
    #[must_use]
    pub fn new() -> Self {
        Self {
            elements: [T::default(); N],
            length: 0,
        }
    }

    /// A list of `elements`; [`Error::ListFull`] when they are more than `N`.
    pub fn from_slice(elements: &[T]) -> Result<Self> {
        let mut list = Self::new();
        match list.elements.get_mut(..elements.len()) {
            Some(place) => place.copy_from_slice(elements),
            None => {
                return Err(Error::ListFull {
                    length: elements.len(),
                    capacity: N,
                });
            }
        }
        list.length = elements.len();
        Ok(list)
    }

    /// Adds one element; [`Error::ListFull`] when `N` are there already.
    pub fn push(&mut self, element: T) -> Result<()> {
        let length = self.length.saturating_add(1);
        let place = self
            .elements
            .get_mut(self.length)
            .ok_or(Error::ListFull { length, capacity: N })?;
        *place = element;
        self.length = length;
        Ok(())
    }

    /// The number of elements that still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        N.saturating_sub(self.length)
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.elements.get(..self.length).unwrap_or(&[])
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_its_capacity_and_refuses_one_more() {
        let mut list = List::<u8, 2>::new();
        list.push(1).unwrap();
        list.push(2).unwrap();
        assert_eq!(list.push(3), Err(Error::ListFull { length: 3, capacity: 2 }));
        assert_eq!(&*list, [1, 2]);
        assert_eq!(list, List::from_slice(&[1, 2]).unwrap());
        assert_eq!(
            List::<u8, 2>::from_slice(&[1, 2, 3]),
            Err(Error::ListFull { length: 3, capacity: 2 })
        );
    }
}
