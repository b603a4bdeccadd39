"""kws_gru: two GRU layers over log-mel frames and a linear layer on the last state; hears one of ten words.

One checkpoint serves both forms: `build()` takes a whole utterance, `build(streaming=True)` a few frames and the state
that the frames before them left.
"""

from __future__ import annotations

from torch import Tensor, nn


class KeywordGru(nn.Module):
    """(batch, frames, mels) -> (batch, words)."""

    def __init__(self, words: int, mels: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(mels, hidden, layers, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, words)
        for name, parameter in self.gru.named_parameters():
            if "weight_hh" in name:  # gate by gate, so that no state grows or fades at the start (Saxe et al. 2014)
                for gate in parameter.chunk(3):
                    nn.init.orthogonal_(gate)

    def forward(self, features: Tensor) -> Tensor:
        states, _ = self.gru(features)
        return self.head(self.dropout(states[:, -1]))


class StreamingKeywordGru(KeywordGru):
    """(1, frames, mels) and (layers, 1, hidden) -> the words so far, and the state to hand over next time."""

    def forward(self, features: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        states, next_hidden = self.gru(features, hidden)
        return {"logits": self.head(states[:, -1]), "next_hidden": next_hidden}


def build(
    words: int = 10,
    mels: int = 40,
    hidden: int = 96,
    layers: int = 2,
    dropout: float = 0.1,
    streaming: bool = False,
) -> nn.Module:
    form = StreamingKeywordGru if streaming else KeywordGru
    return form(words, mels, hidden, layers, dropout)
