"""A listener to a job over micrographs, which remembers what it was told, the notes on results among the lines."""


class Listener:
    def __init__(self):
        self.lines, self.results, self.total, self.done = [], [], 0, 0

    def info(self, text):
        self.lines.append(text)

    def begin(self, total, done):
        self.total, self.done = total, done

    def report(self, result):
        self.results.append(result)
        self.lines += [result.note] if result.note else []

    @property
    def keys(self):
        """Keys of the micrographs that were worked on, in their order."""
        return [result.file.key for result in self.results]
