"""Many LoRA students in one model: frozen weights that all share, and the stacked adapters of each student.

A matrix product with the shared weight serves the rows of every student at once; each student's rows then pass through
its own adapter in one batched product. The students do not see one another. Adapters stay beside the weights they
adapt, so that small updates survive in bfloat16.

Serving many adapters on one base this way is described by Sheng et al. 2023, S-LoRA (arXiv:2311.03285).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from bench.models.grouped_attention import GROUPED
from bench.models.student import LORA_SCALE, frozen_copy, plain_name

Tensors = Mapping[str, torch.Tensor]
ADAPTERS = ("a", "b")  # attributes of `MultiLoraLinear` whose first dimension is the student


class AdapterRouting:
    """Routes the rows of the present batch through their students' adapters."""

    def __init__(self, students: int) -> None:
        """Until `assign` is called, row i of a batch is student i's."""
        self._students = students
        self._even = True  # as many rows of each student, one student's behind another's: nothing has to be moved
        self._slots: torch.Tensor | None = None  # (students, slots): a row of the batch, 0 where a slot is empty
        self._places = torch.empty(0)  # (rows,): the slot of each row, counted over all students

    def assign(self, students: Sequence[int], device: torch.device) -> None:
        """Set the student's number of each row of the following batches."""
        counts = [0] * self._students
        places = []
        for student in students:
            places.append((student, counts[student]))
            counts[student] += 1
        width = max(counts)
        self._even = len(places) == self._students * width and places == sorted(places)
        slots = torch.zeros(self._students, width, dtype=torch.long)
        for row, (student, slot) in enumerate(places):
            slots[student, slot] = row
        self._slots = slots.to(device)
        self._places = torch.tensor([student * width + slot for student, slot in places], device=device)

    def release(self) -> None:
        """Let row i of the following batches be student i's again."""
        self._even, self._slots = True, None

    def split(self, rows: torch.Tensor, students: int) -> torch.Tensor:
        """(rows, tokens, width) -> (students, tokens of the student's rows, width).

        `students` is their number as a tensor's size says it: compiled layers would hold to this object's for good.
        """
        if self._even:
            return rows.reshape(students, -1, rows.shape[-1])
        return rows[self._slots].flatten(1, 2)

    def join(self, parts: torch.Tensor, tokens: int) -> torch.Tensor:
        """Undo `split`."""
        rows = parts.reshape(-1, tokens, parts.shape[-1])
        return rows if self._even else rows[self._places]


class MultiLoraLinear(nn.Module):
    """A frozen linear layer with one adapter per student.

    Attributes:
        a: Shape (students, rank, inputs).
        b: Shape (students, outputs, rank).
    """

    def __init__(self, base: nn.Linear, a: nn.Parameter, b: nn.Parameter, routing: AdapterRouting) -> None:
        """Adapt `base`, which is shared and not copied."""
        super().__init__()
        self.base, self.a, self.b, self._routing = base, a, b, routing

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Apply to (rows, tokens, inputs)."""
        low = self._routing.split(rows, self.a.shape[0]) @ self.a.to(rows.dtype).mT
        change = self._routing.join(low @ self.b.to(rows.dtype).mT, rows.shape[1])
        out: torch.Tensor = torch.add(self.base(rows), change, alpha=LORA_SCALE)
        return out


class MultiLora:
    """LoRA students side by side on one base.

    Attributes:
        model: Causal language model whose linear layers are `MultiLoraLinear` where the recipe adapts them.
        routing: Needs the students of the rows that come next.
        flat: All adapter values, (students, values), float32, so that norms and updates are single operations.
        parameters: Those that the model reads: views into `flat` and its gradient, or into a copy in the base's
            precision, which `cast` fills and whose gradients `collect` adds to those of `flat`.
    """

    def __init__(self, base: Any, students: Sequence[Tensors], *, training: bool) -> None:
        """Stack the adapters of students on a base.

        Args:
            base: Causal language model; its weights are shared, not copied.
            students: Adapter tensors by the names of `bench.models.student.trained_tensors`, the same for all.
            training: Whether gradients are wanted.
        """
        self.model = frozen_copy(base).train(training)
        if not training:
            self.model.config._attn_implementation = GROUPED
        self.routing = AdapterRouting(len(students))
        self._shapes = {name: tensor.shape for name, tensor in students[0].items()}
        distinct = {id(student): student for student in students}  # students of one seed begin alike
        values = [torch.cat([each[name].flatten().float() for name in self._shapes]) for each in distinct.values()]
        numbers = torch.tensor([list(distinct).index(id(student)) for student in students], device=base.device)
        rows = torch.stack(values).to(base.device)[numbers]
        self.flat = nn.Parameter(rows, requires_grad=training)
        self._read = self.flat if base.dtype == rows.dtype else nn.Parameter(rows.to(base.dtype), training)
        if training:
            for each in (self.flat, self._read):
                each.grad = torch.zeros_like(each)
        parameters = {name: self._parameter(name, start) for name, start in self._starts().items()}
        self.parameters = list(parameters.values())
        for name in (name for name in self._shapes if ".lora_A." in name):
            self._replace(plain_name(name), parameters[name], parameters[name.replace(".lora_A.", ".lora_B.")])

    @torch.no_grad()
    def cast(self) -> None:
        """Let the model read the present values: after every update, where it computes in another precision."""
        if self._read is not self.flat:
            self._read.copy_(self.flat)

    def collect(self) -> None:
        """Add the gradients of what the model read to those of `flat`."""
        if self._read is not self.flat:
            assert self.flat.grad is not None and self._read.grad is not None
            self.flat.grad.add_(self._read.grad)
            self._read.grad.zero_()

    def forget(self) -> None:
        """Set all gradients to 0, where they are: the parameters' gradients are views."""
        for each in (self.flat, self._read):
            assert each.grad is not None
            each.grad.zero_()

    def tensors(self, student: int) -> dict[str, torch.Tensor]:
        """Return one student's adapters, by name, on the CPU."""
        return self.by_name(self.flat.detach()[student])

    def by_name(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Cut one student's values, (values,), into its tensors by name, on the CPU."""
        values = flat.cpu()
        return {
            name: values[start : start + self._shapes[name].numel()].view(self._shapes[name]).clone()
            for name, start in self._starts().items()
        }

    def _starts(self) -> dict[str, int]:
        starts, start = {}, 0
        for name, shape in self._shapes.items():
            starts[name] = start
            start += shape.numel()
        return starts

    def _parameter(self, name: str, start: int) -> nn.Parameter:
        shape = self._shapes[name]

        def view(flat: torch.Tensor) -> torch.Tensor:
            return flat[:, start : start + shape.numel()].view(-1, *shape)

        parameter = nn.Parameter(view(self._read.detach()), requires_grad=self._read.requires_grad)
        if self._read.grad is not None:
            parameter.grad = view(self._read.grad)  # autograd adds into a gradient that is there
        return parameter

    def _replace(self, weight: str, a: nn.Parameter, b: nn.Parameter) -> None:
        path = weight.removesuffix(".weight")
        module, _, attribute = path.rpartition(".")
        parent = self.model.get_submodule(module)
        setattr(parent, attribute, MultiLoraLinear(getattr(parent, attribute), a, b, self.routing))
