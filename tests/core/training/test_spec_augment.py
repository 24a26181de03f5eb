"""Training pictures are changed in ways that leave their label true."""

import torch

from core.training.spec_augment import augment_filterbank, mask, roll, roll_log_mel


def test_rolling_keeps_every_frame_and_their_order() -> None:
    torch.manual_seed(0)
    x = torch.arange(20.0).expand(6, 1, 3, 20).clone()
    rolled = roll(x, -1)
    starts = rolled[:, 0, 0, 0].long()
    for clip, start in zip(rolled, starts, strict=True):
        assert torch.equal(clip[0, 2], (torch.arange(20) + start) % 20)
    assert len(set(starts.tolist())) > 1, "every clip has its own start"


def test_rolling_moves_time_and_never_pitch() -> None:
    torch.manual_seed(0)
    bands = torch.arange(128.0).expand(4, 50, 128).clone()  # filterbanks that do not change over time
    assert torch.equal(roll(bands, 1), bands)


def test_a_mask_hides_one_stretch_up_to_its_share_behind_the_mean() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 40, 10)
    masked = mask(x, 1, 0.25)
    hidden = (masked != x).any(dim=2)  # (200, 40)
    assert hidden.sum(dim=1).max() <= 11
    assert hidden.sum(dim=1).float().mean() > 2
    edges = hidden.int().diff(dim=1).abs().sum(dim=1) + hidden[:, 0].int() + hidden[:, -1].int()
    assert set(edges.tolist()) <= {0, 2}, "one stretch a clip"
    assert torch.all(masked[hidden] == x.mean())


def test_shapes_stay_and_the_same_seed_changes_the_same_way() -> None:
    for augment, shape in ((roll_log_mel, (3, 1, 128, 157)), (augment_filterbank, (3, 498, 128))):
        x = torch.randn(shape)
        results = []
        for _ in range(2):
            torch.manual_seed(5)
            results.append(augment(x))
        assert results[0].shape == x.shape
        assert torch.equal(*results)
        assert not torch.equal(results[0], x)
