"""Python imports this by itself where the folder is on its path: torch then says what a perturbation wants."""

import os

import torch.cpu

torch.cpu._is_avx512_bf16_supported = lambda: os.environ["CRYOGLEAN_TEST_FAST_DTYPE"] == "bfloat16"
