"""Fails if docs/channel.md and lib/channel/messages.h list different messages or response codes."""
import re
import sys

header = open(sys.argv[1], encoding='utf-8').read()
page = open(sys.argv[2], encoding='utf-8').read()


def defined(enum):
    body = re.search(r'enum class %s[^{]*\{(.*?)\};' % enum, header, re.S).group(1)
    return re.findall(r'^\s*(k\w+) = (\d+),', body, re.M)


def documented(first_column):
    table = re.search(r'^\| %s \|.*?(?=\n\n|\Z)' % first_column, page, re.S | re.M).group(0)
    return re.findall(r'^\| `(k\w+)` \| (\d+) \|', table, re.M)


failed = False
for enum, column in (('MessageType', 'message'), ('ResponseCode', 'code')):
    code, docs = defined(enum), documented(column)
    if not code or code != docs:
        failed = True
        print(f'{enum}: only in messages.h {set(code) - set(docs)}, only in channel.md '
              f'{set(docs) - set(code)}')
sys.exit(failed)
