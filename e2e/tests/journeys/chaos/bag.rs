//! Drawing without putting back: at random, and nothing is left out for long.

/// Refilled when it is empty, or holds nothing that suits.
pub(super) struct Bag<T> {
    all: Vec<T>,
    left: Vec<T>,
    pub dice: fastrand::Rng,
}

impl<T: Copy> Bag<T> {
    pub(super) fn new(all: Vec<T>, dice: fastrand::Rng) -> Self {
        Self { all, left: Vec::new(), dice }
    }

    /// # Panics
    /// When nothing of all suits.
    pub(super) fn draw(&mut self, suits: impl Fn(T) -> bool) -> T {
        if !self.left.iter().any(|one| suits(*one)) {
            self.left.extend_from_slice(&self.all);
        }
        let suiting: Vec<_> = (0..self.left.len()).filter(|n| suits(self.left[*n])).collect();
        self.left.swap_remove(suiting[self.dice.usize(..suiting.len())])
    }
}
