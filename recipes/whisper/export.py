"""Write whisper-micro as a CTranslate2 int8 folder that faster-whisper loads offline, with its card.

`python -m studio.train.whisper_export --state DIR/state.pt --out checkpoints/whisper-micro` exports what a training in
progress has reached.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from recipes.state import load_state
from recipes.syllables import PartTable
from recipes.whisper.model import Whisper, WhisperShape
from recipes.whisper.tokens import LANGUAGES, UNKNOWN, Tokens

FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.json", "preprocessor_config.json")


def load(state: dict[str, Any]) -> tuple[Whisper, Tokens]:
    """The averaged network of a training state, ready for use, and its tokens."""
    tokens = Tokens(state["characters"])
    net = Whisper(WhisperShape(vocabulary=len(tokens), frame_classes=sum(PartTable(state["syllables"]).sizes)))
    net.load_state_dict(state["average"])
    return net.eval(), tokens


def export(state: Path, out: Path) -> None:
    """Convert the training state at `state` into the checkpoint folder `out`, file by file replaced at the end."""
    saved = load_state(state)
    if saved is None:
        raise FileNotFoundError(f"no training state at {state}; run `python -m recipes whisper` first")
    net, tokens = load(saved)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        source, converted = Path(folder) / "transformers", Path(folder) / "converted"
        _save_transformers(net, tokens, source)
        _convert(source, converted)
        for name in FILES:
            (converted / name).replace(out / name)


def tokenizer(tokens: Tokens) -> Any:
    """A tokenizers.Tokenizer with one token a character; what is unknown becomes one token too."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import WordLevel

    vocabulary = {token: index for token, index in tokens.ids.items() if index < tokens.end}
    made = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken(special, special=True, normalized=False) for special in tokens.specials])
    return made


def _save_transformers(net: Whisper, tokens: Tokens, folder: Path) -> None:
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    shape = net.shape
    config = WhisperConfig(
        vocab_size=len(tokens),
        num_mel_bins=shape.mels,
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        encoder_attention_heads=shape.encoder_heads,
        encoder_ffn_dim=4 * shape.width,
        decoder_layers=shape.decoder_layers,
        decoder_attention_heads=shape.decoder_heads,
        decoder_ffn_dim=4 * shape.width,
        max_source_positions=shape.source_positions,
        max_target_positions=shape.target_positions,
        pad_token_id=tokens.end,
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model = WhisperForConditionalGeneration(config)
    weights = {f"model.{name}": value for name, value in net.state_dict().items() if "frame_classifier" not in name}
    weights["proj_out.weight"] = net.decoder.embed_tokens.weight
    model.load_state_dict(weights, strict=True)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=tokens.start,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
        bos_token_id=tokens.end,
        suppress_tokens=[],
        begin_suppress_tokens=[],
        is_multilingual=True,
        lang_to_id={f"<|{language}|>": tokens.ids[f"<|{language}|>"] for language in LANGUAGES},
        alignment_heads=[[shape.decoder_layers - 1, head] for head in range(shape.align_heads)],
        no_timestamps_token_id=tokens.no_timestamps,
    )
    model.save_pretrained(folder)
    tokenizer(tokens).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": UNKNOWN, "eos_token": "<|endoftext|>"})
    )
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "feature_size": shape.mels,
                "sampling_rate": 16_000,
                "hop_length": 160,
                "chunk_length": 30,
                "n_fft": 400,
            },
            indent=2,
        )
        + "\n"
    )


def _convert(source: Path, target: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    copied = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(source), copy_files=copied).convert(str(target), quantization="int8")


def _cli(
    state: Annotated[Path, typer.Option(help="state.pt of a training, finished or not.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")] = Path("checkpoints/whisper-micro"),
) -> None:
    torch.set_num_threads(1)
    export(state, out)


if __name__ == "__main__":
    typer.run(_cli)
