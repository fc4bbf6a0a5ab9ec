"""Detection by a filter response: its peaks, their heights' mixture, its skewness, and the contrast of particles."""
