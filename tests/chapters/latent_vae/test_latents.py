"""The table of per-image latents and its optimiser."""

from __future__ import annotations

import torch

from core.chapters.latent_vae.latents import MAX_LOGVAR, LatentTable, RowAdam


def test_a_new_table_is_the_prior() -> None:
    table = LatentTable(5, 3)
    mu, logvar = table(torch.tensor([0, 4]))
    assert mu.shape == logvar.shape == (2, 3)
    assert not mu.any()
    assert not logvar.any()
    assert len(table) == 5


def test_fill_sets_only_the_rows_named() -> None:
    table = LatentTable(4, 2)
    table.fill(torch.tensor([1, 3]), torch.full((2, 2), 0.5), torch.full((2, 2), 99.0))
    mu, logvar = table(torch.arange(4))
    assert mu.tolist() == [[0, 0], [0.5, 0.5], [0, 0], [0.5, 0.5]]
    assert logvar.tolist() == [[0, 0], [MAX_LOGVAR] * 2, [0, 0], [MAX_LOGVAR] * 2]


def test_a_batch_changes_only_its_rows_and_its_gradient_is_its_size() -> None:
    table = LatentTable(100, 3)
    optimizer = RowAdam(table.parameters(), lr=0.1)
    for _ in range(3):
        mu, logvar = table(torch.tensor([7, 20]))
        optimizer.zero_grad()
        ((mu - 1).square().sum() + logvar.sum()).backward()
        assert table.rows.grad.is_sparse
        assert table.rows.grad._nnz() == 2
        optimizer.step()
    changed = (table.rows.detach() != 0).any(dim=1).nonzero().flatten()
    assert changed.tolist() == [7, 20]


def test_row_adam_equals_adam_when_every_row_is_seen() -> None:
    torch.manual_seed(0)
    start, target = torch.randn(6, 4), torch.randn(6, 2)
    table, dense = LatentTable(6, 2), torch.nn.Parameter(start.clone())
    with torch.no_grad():
        table.rows.copy_(start)
    sparse_adam, adam = RowAdam(table.parameters(), lr=0.05), torch.optim.Adam([dense], lr=0.05)
    for _ in range(20):
        for optimizer, (mu, logvar) in ((sparse_adam, table(torch.arange(6))), (adam, dense.split(2, dim=1))):
            optimizer.zero_grad()
            ((mu - target).square() + (logvar + 1).square()).sum().backward()
            optimizer.step()
    assert torch.allclose(table.rows, dense, atol=1e-6)


def test_rows_seen_at_different_times_each_take_a_full_first_step() -> None:
    table = LatentTable(2, 1)
    optimizer = RowAdam(table.parameters(), lr=0.1)
    for row in (0, 0, 0, 1):
        mu, _ = table(torch.tensor([row]))
        optimizer.zero_grad()
        (3 * mu).sum().backward()
        optimizer.step()
    # Adam's first step has the size of the rate whatever the gradient is; a shared count would make row 1's smaller.
    assert torch.allclose(table.rows[1, 0], torch.tensor(-0.1), atol=1e-6)


def test_optimiser_state_survives_a_round_trip() -> None:
    def trained(steps: int, table: LatentTable, optimizer: RowAdam) -> None:
        for step in range(steps):
            mu, logvar = table(torch.tensor([step % 3]))
            optimizer.zero_grad()
            ((mu - 2).square() + logvar.square()).sum().backward()
            optimizer.step()

    whole = LatentTable(3, 2)
    trained(12, whole, RowAdam(whole.parameters()))
    first = LatentTable(3, 2)
    before = RowAdam(first.parameters())
    trained(6, first, before)
    second = LatentTable(3, 2)
    second.load_state_dict(first.state_dict())
    after = RowAdam(second.parameters())
    after.load_state_dict(before.state_dict())
    trained(6, second, after)
    assert torch.equal(whole.rows, second.rows)
