"""Sums of rows by kind, in an order that does not change."""

from __future__ import annotations

import torch
from torch import Tensor


def sum_rows(rows: Tensor, index: Tensor, kinds: int) -> Tensor:
    """Add up rows of the same kind, always in the same order.

    Args:
        rows: (n, ...), real or complex.
        index: (n,) kinds.
        kinds: how many.

    Returns:
        (kinds, ...).
    """
    if rows.device.type == "cpu":
        return torch.zeros(kinds, *rows.shape[1:], dtype=rows.dtype).index_add_(0, index, rows)
    # index_add_ on CUDA adds in no fixed order; a matrix product does.
    member = torch.nn.functional.one_hot(index, kinds).T.to(rows.dtype)
    return (member @ rows.flatten(1)).reshape(kinds, *rows.shape[1:])
