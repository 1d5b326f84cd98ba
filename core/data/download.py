"""placeholder"""
def download(name: str) -> None:
    raise NotImplementedError
