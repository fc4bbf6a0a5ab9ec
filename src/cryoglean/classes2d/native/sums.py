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
    return add_rows(torch.zeros(kinds, *rows.shape[1:], dtype=rows.dtype, device=rows.device), rows, index)


def add_rows(total: Tensor, rows: Tensor, index: Tensor) -> Tensor:
    """Add rows to the sums of their kinds, `(kinds, ...)`, which are changed and returned."""
    if rows.device.type == "cpu":
        return total.index_add_(0, index, rows)
    # index_add_ on CUDA adds in no fixed order; a matrix product does.
    member = torch.nn.functional.one_hot(index, len(total)).T.to(rows.dtype)
    return total.add_((member @ rows.flatten(1)).reshape(total.shape))
