import torch

from emollm.emotions import label_set
from emollm.encoders import FaceNetConfig
from emollm.encoders.resemotenet import ResEmoteNet, ResEmoteNetConfig


def convolution(before: int, after: int, side: int) -> int:
    """Parameters of a convolution with bias and its batch norm."""
    return before * after * side * side + after + 2 * after


def test_the_published_net_has_the_parameters_of_its_description() -> None:
    with torch.device("meta"):
        net = FaceNetConfig(encoder="resemotenet", labels=label_set("resemotenet").labels, embedding=0).build()
    stem = convolution(3, 64, 3) + convolution(64, 128, 3) + convolution(128, 256, 3)
    weighing = 2 * 256 * 16
    blocks = sum(
        convolution(before, after, 3) + convolution(after, after, 3) + convolution(before, after, 1)
        for before, after in ((256, 512), (512, 1024), (1024, 2048))
    )
    linear = sum(before * after + after for before, after in ((2048, 1024), (1024, 512), (512, 256), (256, 7)))
    assert net.parameters_of() == stem + weighing + blocks + linear == 80_238_599


def test_the_first_convolution_sees_three_equal_channels_normalised_as_imagenet() -> None:
    net = ResEmoteNetConfig(size=16, widths=(4,), residual=(4,), hidden=(4,), squeeze=1).build().eval()
    seen: list[torch.Tensor] = []
    net.convolutions[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))

    net(torch.full((1, 3, 16, 16), 0.5))

    wanted = torch.tensor([(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225])
    torch.testing.assert_close(seen[0][0, :, 3, 3], wanted)


def test_layers_whose_maps_have_hardly_a_position_are_not_offered() -> None:
    with torch.device("meta"):
        small, large = ResEmoteNet(ResEmoteNetConfig()), ResEmoteNet(ResEmoteNetConfig(size=256))
    assert list(small.layers)[-1] == "block1"  # 4 × 4; the blocks after it have 2 × 2 and one position
    assert list(large.layers)[-1] == "block3"


def test_dropout_of_half_stands_between_the_pooled_features_and_the_classes() -> None:
    torch.manual_seed(0)
    net = ResEmoteNetConfig(size=16, widths=(4,), residual=(4,), hidden=(512,), squeeze=1).build()
    pixels = torch.rand(8, 3, 16, 16)
    awake = net.eval()(pixels).pooled > 0
    net.linear.train()
    left = (net(pixels).pooled > 0).sum() / awake.sum()
    assert 0.45 < left < 0.55
