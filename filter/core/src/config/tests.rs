//! What is accepted becomes these values; what is not is told in these words.
