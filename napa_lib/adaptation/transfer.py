"""tau: a block-diagonal change of the style code that moves a pose generator to another distribution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napa_lib.adaptation.networks import PoseStyleGAN


class StyleTransfer(nn.Module):
    """tau = diag(I, ..., I, U_l, I, ..., I): a matrix for each of the chosen layers, the identity for the others.

    Untrained it changes nothing. Applied after A, A_t = tau o A_s.

    Args:
        widths: length of each layer's style code, L numbers.
        layers: which blocks are learned, counted from 1, the coarsest.

    Source: FlexPose, eq. 4 and 6.
    """

    def __init__(self, widths: Sequence[int], layers: Sequence[int] = (3,)) -> None:
        super().__init__()
        if not layers or not set(layers) <= set(range(1, len(widths) + 1)) or len(set(layers)) < len(layers):
            raise ValueError(f"layers must be different numbers from 1 to {len(widths)}, got {tuple(layers)}")
        self.widths, self.layers = tuple(widths), tuple(sorted(layers))
        self.blocks = nn.ParameterDict(
            {str(layer): nn.Parameter(torch.eye(widths[layer - 1])) for layer in self.layers}
        )

    def forward(self, styles: Sequence[Tensor]) -> list[Tensor]:
        """Style codes, L tensors (B, 2 C_l), to those of the target."""
        if tuple(style.shape[-1] for style in styles) != self.widths:
            raise ValueError(f"styles must be {self.widths} long, got {tuple(s.shape[-1] for s in styles)}")
        changed = list(styles)
        for layer in self.layers:
            changed[layer - 1] = styles[layer - 1] @ self.blocks[str(layer)].T
        return changed

    def matrix(self) -> Tensor:
        """All of tau as one matrix, the sum of the widths on each side, on the CPU: to look at, and to test by."""
        return torch.block_diag(
            *(
                self.blocks[str(layer)].detach().cpu() if layer in self.layers else torch.eye(width)
                for layer, width in enumerate(self.widths, 1)
            )
        )


class AdaptedGenerator(nn.Module):
    """g_t = phi o tau o A o f: a source generator, which stays as it is, with a tau. Source: FlexPose, eq. 4."""

    def __init__(self, source: PoseStyleGAN, transfer: StyleTransfer) -> None:
        super().__init__()
        self.source, self.transfer = source, transfer

    def forward(self, z: Tensor) -> Tensor:
        return self.source.draw(self.transfer(self.source.styles(z)))
