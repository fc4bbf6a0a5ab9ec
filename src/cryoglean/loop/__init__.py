"""The self-supervised loop: rounds of picks, classes and training, and the decisions between them."""
