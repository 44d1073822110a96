"""The device to train on, set up so that a CPU gives the same bits whatever else the machine does."""

import torch


def choose_device(rank: int = 0) -> torch.device:
    """CUDA where there is one (of several, that of the process), else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", rank) if rank else torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def prepare(device: torch.device, threads: int = 1) -> None:
    """Set torch up for training: TF32 on CUDA; on a CPU a fixed thread count and deterministic kernels."""
    torch.set_num_threads(threads)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    elif device.type == "cpu":
        # As use_deterministic_algorithms(True, warn_only=True), which loads the compiler too.
        torch.set_deterministic_debug_mode("warn")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def mixed_precision(device: torch.device, precision: str = "auto") -> torch.autocast:
    """Context of a network's forward pass in ``float32``, ``bfloat16`` or ``auto``.

    ``auto`` is bfloat16 on GPUs that have it and float32 elsewhere. The loss itself is kept in float32.
    """
    wanted = precision == "bfloat16"
    if precision == "auto":
        wanted = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)
