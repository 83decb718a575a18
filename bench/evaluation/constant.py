"""An Inspect model that always says the same, to try a task on before anything is trained; no weights, no network."""

from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

CONSTANT = "sieve_constant/yes"
STAND_IN = "sieve_constant/grader"  # in place of a grader that is not there


class ConstantAPI(ModelAPI):
    """Answers every prompt with one word."""

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Return the answer."""
        return ModelOutput.from_content(self.model_name, "Yes.")

    async def count_text_tokens(self, text: str) -> int:
        """Count words; Inspect's own counter would download a vocabulary."""
        return len(text.split())


@modelapi(name="sieve_constant")
def sieve_constant() -> type[ModelAPI]:
    """Return the provider; Inspect finds it by this function's registered name."""
    return ConstantAPI
