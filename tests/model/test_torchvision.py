from __future__ import annotations

import functools
import http.server
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torchvision

from mobilekit.errors import DownloadError, StorageError, UnknownName, UsageError, WeightsError
from mobilekit.files import sha256
from mobilekit.model import resolve
from mobilekit.model.torchvision import load_published
from mobilekit.spec import parse_inputs


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache of downloads, empty, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: refused at once
    for name in ("no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib remembers the proxies of its first request
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_an_architecture_comes_with_its_own_preprocessing() -> None:
    source = resolve("torchvision:mobilenet_v3_small")
    recipe = source.recipe
    assert recipe.inputs[0].shape == (1, 3, 224, 224) and recipe.task == "image-classification"
    assert recipe.preprocess is not None and recipe.preprocess.crop == (224, 224)
    assert recipe.preprocess.resize is not None and recipe.preprocess.resize.size == (256, 256)
    assert recipe.preprocess.mean == (0.485, 0.456, 0.406)
    assert recipe.labels is not None and len(recipe.labels) == 1000 == len(set(recipe.labels))
    assert not source.trained


def test_every_architecture_has_a_recipe() -> None:
    for name in torchvision.models.list_models():
        recipe = resolve(f"torchvision:{name}").recipe
        assert recipe.name == name
        assert recipe.preprocess is not None or recipe.task == "tensor"


def test_another_input_size_scales_the_preprocessing() -> None:
    recipe = resolve("torchvision:mobilenet_v3_small", inputs=parse_inputs(["image:batch=1..4,3,112,112"])).recipe
    assert recipe.preprocess is not None and recipe.preprocess.crop == (112, 112)
    assert recipe.preprocess.resize is not None and recipe.preprocess.resize.size == (128, 128)


@pytest.mark.parametrize("text", ["1,3,112,96", "1,1,112,112", "3,112,112", "1,3,s=64..128,s", "7"])
def test_inputs_that_no_photo_fits_have_no_preprocessing(text: str) -> None:
    recipe = resolve("torchvision:mobilenet_v3_small", inputs=parse_inputs([text])).recipe
    assert recipe.preprocess is None and recipe.task == "tensor" and recipe.labels is None


def test_random_weights_are_the_seed_s() -> None:
    source = resolve("torchvision:squeezenet1_1")
    first, same, other = (source.build(seed).state_dict()["classifier.1.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_no_backbone_is_downloaded_for_random_weights(home: Path) -> None:
    assert resolve("torchvision:lraspp_mobilenet_v3_large").build() is not None
    assert not home.exists()


@pytest.mark.parametrize("with_second_head", [False, True])
def test_segmentation_is_without_the_head_that_only_training_uses(
    with_second_head: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = torchvision.models.get_model_builder("deeplabv3_mobilenet_v3_large")
    monkeypatch.setattr(
        torchvision.models, "get_model_builder", lambda _: functools.partial(builder, aux_loss=with_second_head)
    )
    module = resolve("torchvision:deeplabv3_mobilenet_v3_large").build()
    with torch.no_grad():
        outputs = module(torch.rand(1, 3, 64, 64))
    assert set(outputs) == {"out"}
    assert not any(name.startswith("aux") for name in module.state_dict())


def test_a_checkpoint_of_the_user_s(tmp_path: Path) -> None:
    trained = resolve("torchvision:squeezenet1_1").build(4)
    torch.save(trained.state_dict(), tmp_path / "mine.pth")
    source = resolve("torchvision:squeezenet1_1", weights=str(tmp_path / "mine.pth"))
    assert source.trained and source.weights == tmp_path / "mine.pth"
    again = source.build().state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in trained.state_dict().items())
    with pytest.raises(WeightsError, match="does not fit the model"):
        resolve("torchvision:squeezenet1_0", weights=str(tmp_path / "mine.pth")).build()


@pytest.mark.parametrize(
    ("reference", "weights", "kind", "parts"),
    [
        ("torchvision:mobilenet_v3", None, UnknownName, ["unknown torchvision model", "mobilenet_v3_"]),
        ("torchvision:", None, UsageError, ["needs an architecture"]),
        ("torchvision:resnet18", "IMAGENET1K_V3", UnknownName, ["weights of resnet18", "mean 'IMAGENET1K_V1'"]),
        ("torchvision:resnet18", "nowhere.pth", WeightsError, ["no such weights file: nowhere.pth", "DEFAULT"]),
    ],
)
def test_names_of_nothing(reference: str, weights: str | None, kind: type[Exception], parts: list[str]) -> None:
    with pytest.raises(kind) as caught:
        resolve(reference, weights=weights)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_without_a_network_the_file_and_the_folder_are_named(home: Path) -> None:
    source = resolve("torchvision:squeezenet1_1", weights="DEFAULT")
    with pytest.raises(DownloadError) as caught:
        source.build()
    assert "the pretrained weights squeezenet1_1-b8a52dc0.pth could not be fetched: URLError" in caught.value.message
    assert caught.value.hint is not None and caught.value.hint.endswith(
        f"download https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth and put it into {home}/"
    )
    assert not any(home.iterdir()), "no half file is left"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """A stand-in for the network: whatever is asked for over http, these bytes are the answer."""
    answer = b""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None: ...

    def answers(content: bytes) -> None:
        nonlocal answer
        answer = content

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{running.server_address[1]}")
        entry = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.value
        monkeypatch.setitem(entry.__dict__, "url", entry.url.replace("https:", "http:"))
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield answers
        running.shutdown()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "RemoteDisconnected"),
        (b"what?\r\n\r\n", "BadStatusLine"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "HTTPError: HTTP Error 404"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nabc", "(IncompleteRead|invalid hash)"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "invalid hash"),
    ],
)
def test_servers_that_give_something_else(
    answer: bytes, said: str, server: Callable[[bytes], None], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server(answer)
    with pytest.raises(DownloadError, match=f"could not be fetched: .*{said}"):
        resolve("torchvision:squeezenet1_1", weights="IMAGENET1K_V1").build()
    assert not any(home.iterdir()), "no half file is left"
    assert capfd.readouterr() == ("", "")


def test_a_file_put_there_by_hand_is_held_against_the_hash_in_its_name(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"not it")
    with pytest.raises(DownloadError, match=r"squeezenet1_1-b8a52dc0\.pth is damaged"):
        resolve("torchvision:squeezenet1_1", weights="DEFAULT").build()


@pytest.fixture
def by_hand(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Weights of squeezenet1_1, put where the error says, under a name with their hash."""
    state = torchvision.models.squeezenet1_1().state_dict()
    home.mkdir(parents=True)
    torch.save(state, home / "file")
    place = home / f"squeezenet1_1-{sha256(home / 'file')[:8]}.pth"
    (home / "file").rename(place)
    entry = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.value
    monkeypatch.setitem(entry.__dict__, "url", f"https://host/{place.name}")
    return state


def test_fine_tuning_starts_from_everything_but_the_classifier(by_hand: dict[str, torch.Tensor]) -> None:
    module = torchvision.models.squeezenet1_1(num_classes=3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    load_published(module, "squeezenet1_1", "DEFAULT", but=("classifier.1.",))
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name] if name.startswith("classifier.1.") else by_hand[name]), name


def test_only_what_is_named_may_differ(by_hand: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match=r"classifier\.1\.weight: the model has \[3, 512, 1, 1\]"):
        load_published(torchvision.models.squeezenet1_1(num_classes=3), "squeezenet1_1", "DEFAULT")
    with pytest.raises(WeightsError, match="missing in the file: "):
        load_published(torchvision.models.squeezenet1_0(), "squeezenet1_1", "DEFAULT", but=("features.0",))
    with pytest.raises(UnknownName, match="weights of squeezenet1_1"):
        load_published(torchvision.models.squeezenet1_1(), "squeezenet1_1", "BEST")
    with pytest.raises(UnknownName, match="did you mean 'squeezenet1_1'"):
        load_published(torchvision.models.squeezenet1_1(), "squeezenet11", "DEFAULT")


def test_a_cache_that_cannot_be_written(home: Path) -> None:
    home.parent.parent.mkdir(parents=True)
    home.parent.write_text("a file in the way")
    with pytest.raises(StorageError):
        resolve("torchvision:squeezenet1_1", weights="DEFAULT").build()
