"""Empty classes made anew from large ones."""

import torch

from cryoglean.classes2d.native.splits import Splits, plan_splits


def test_an_empty_class_takes_the_worse_half_of_the_largest():
    index = torch.tensor([0] * 30 + [1] * 10)
    likelihood = torch.arange(40.0)
    splits = plan_splits(index, likelihood, 3)
    assert splits.closed.tolist() == [2]
    taken = torch.nonzero(splits.source == 0).flatten()
    assert taken.tolist() == list(range(15))
    assert (splits.target[taken] == 2).all()


def test_without_an_empty_class_nothing_is_split():
    splits = plan_splits(torch.tensor([0, 1, 2] * 10), torch.zeros(30), 3)
    assert len(splits.closed) == 0
    assert (splits.source == -1).all()


def test_more_empty_classes_than_large_ones_are_left_open():
    splits = plan_splits(torch.zeros(40, dtype=torch.long), torch.arange(40.0), 5)
    assert len(splits.closed) == 1


def test_small_sets_are_not_split_to_pieces():
    splits = plan_splits(torch.zeros(6, dtype=torch.long), torch.arange(6.0), 2)
    assert (splits.source == -1).all()


def test_only_images_found_in_the_old_class_count_to_the_new():
    splits = Splits(torch.tensor([2]), torch.tensor([0, -1, 0]), torch.tensor([2, -1, 2]))
    image, index = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 0, 0])
    assert splits.counted(image, index).tolist() == [2, 1, 0, 2]
    assert splits.part(torch.tensor([1, 2])).source.tolist() == [-1, 0]


def test_splits_of_some_images_leave_the_others_where_they_are():
    some = Splits(torch.tensor([2]), torch.tensor([0, -1]), torch.tensor([2, -1]))
    whole = some.spread(torch.tensor([3, 1]), 5)
    assert whole.source.tolist() == [-1, -1, -1, 0, -1]
    assert whole.target.tolist() == [-1, -1, -1, 2, -1]
    assert whole.closed.tolist() == [2]
