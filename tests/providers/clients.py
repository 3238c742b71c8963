"""The real clients of LangChain, one of each, talking to a provider on loopback.

Made once: some take a tenth of a second.  None tries again on its own.
"""

from functools import cache
from typing import Any

from langchain_core.tools import tool

MODEL = "model-asked-for"


@tool
def look_up(city: str) -> str:
    """Look something up."""
    return city


_ASKED: dict[str, Any] = {"temperature": 0.25, "max_tokens": 64, "max_retries": 0}


@cache
def client(name: str, url: str) -> Any:
    """The chat model of this provider, pointed at `url`."""
    return fresh(name, url)


def fresh(name: str, url: str) -> Any:
    """The same, made anew."""
    return _MAKERS[name](url)


def openai(url: str, **more: Any) -> Any:
    """OpenAI's, with settings of the test's own."""
    from langchain_openai import ChatOpenAI

    given = {"model": MODEL, "base_url": f"{url}/v1", "api_key": "no-key", "stream_usage": True, **_ASKED}
    return ChatOpenAI(**given | more)


def _responses(url: str) -> Any:
    return openai(url, use_responses_api=True)


def _azure(url: str) -> Any:
    from langchain_openai import AzureChatOpenAI

    return AzureChatOpenAI(
        azure_endpoint=url, azure_deployment="shop", api_version="2024-10-21", api_key="no-key",
        stream_usage=True, **_ASKED,
    )  # fmt: skip


def _anthropic(url: str) -> Any:
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=MODEL, base_url=url, api_key="no-key", **_ASKED)


def _google(url: str) -> Any:
    from langchain_google_genai import ChatGoogleGenerativeAI

    return ChatGoogleGenerativeAI(
        model=MODEL, base_url=url, api_key="no-key", temperature=0.25, max_output_tokens=64, max_retries=0
    )


def boto(url: str) -> Any:
    """A client of AWS's own."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "bedrock-runtime", region_name="eu-west-1", endpoint_url=url, aws_access_key_id="a",
        aws_secret_access_key="b", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


def _converse(url: str) -> Any:
    from langchain_aws import ChatBedrockConverse

    return ChatBedrockConverse(
        model="anthropic.claude-3-haiku-20240307-v1:0", client=boto(url), bedrock_client=boto(url),
        temperature=0.25, max_tokens=64,
    )  # fmt: skip


def _mistral(url: str) -> Any:
    from langchain_mistralai import ChatMistralAI

    return ChatMistralAI(
        model=MODEL, endpoint=f"{url}/v1", api_key="no-key", temperature=0.25, max_tokens=64, max_retries=1
    )


def _groq(url: str) -> Any:
    from langchain_groq import ChatGroq

    return ChatGroq(model=MODEL, base_url=url, api_key="no-key", **_ASKED)


def _fireworks(url: str) -> Any:
    from langchain_fireworks import ChatFireworks

    return ChatFireworks(model=MODEL, base_url=f"{url}/v1", api_key="no-key", **_ASKED)


def _deepseek(url: str) -> Any:
    from langchain_deepseek import ChatDeepSeek

    return ChatDeepSeek(model=MODEL, api_base=f"{url}/v1", api_key="no-key", stream_usage=True, **_ASKED)


def _xai(url: str) -> Any:
    from langchain_xai import ChatXAI

    return ChatXAI(model=MODEL, base_url=f"{url}/v1", api_key="no-key", stream_usage=True, **_ASKED)


def _cohere(url: str) -> Any:
    from langchain_cohere import ChatCohere

    return ChatCohere(model=MODEL, base_url=url, cohere_api_key="no-key", temperature=0.25, max_tokens=64)


def _ollama(url: str) -> Any:
    from langchain_ollama import ChatOllama

    return ChatOllama(model=MODEL, base_url=url, temperature=0.25, num_predict=64)


def _watsonx(url: str) -> Any:
    import httpx
    from ibm_watsonx_ai import APIClient, Credentials
    from ibm_watsonx_ai.foundation_models import ModelInference
    from langchain_ibm import ChatWatsonx

    class Loopback(httpx.HTTPTransport):
        """The client insists on TLS; the provider here has none."""

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.url = httpx.URL(url).copy_with(raw_path=request.url.raw_path)
            return super().handle_request(request)

    credentials = Credentials(url="https://127.0.0.1", token="no-key", version="5.2", instance_id="openshift")
    api = APIClient(credentials, httpx_client=httpx.Client(transport=Loopback()))
    model = ModelInference(
        model_id=MODEL, api_client=api, project_id="p", validate=False, retry_status_codes=[599],
        params={"temperature": 0.25, "max_tokens": 64},
    )  # fmt: skip
    return ChatWatsonx(watsonx_model=model)


_MAKERS = {
    "openai": openai,
    "openai responses": _responses,
    "azure": _azure,
    "anthropic": _anthropic,
    "google": _google,
    "bedrock converse": _converse,
    "mistral": _mistral,
    "groq": _groq,
    "fireworks": _fireworks,
    "deepseek": _deepseek,
    "xai": _xai,
    "cohere": _cohere,
    "ollama": _ollama,
    "watsonx": _watsonx,
}
