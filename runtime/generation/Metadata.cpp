//===- Metadata.cpp - finding one value in JSON ---------------------------===//
#include "runtime/generation/Metadata.h"

#include <cstdlib>
#include <cstring>

using namespace transom;

namespace {

/// A place in JSON. Every function leaves it behind what it has read; anything
/// that is not JSON moves it to the end of the text, where nothing is found.
struct Cursor {
  const char *at;

  void skipSpace() { at += strspn(at, " \t\r\n"); }
  bool take(char wanted) {
    skipSpace();
    if (*at != wanted || wanted == '\0')
      return false;
    ++at;
    return true;
  }
  void fail() { at += strlen(at); }

  /// A string, without its quotes and with its escapes as they are.
  void readString(const char *&text, size_t &length) {
    text = at;
    length = 0;
    if (!take('"')) {
      fail();
      return;
    }
    text = at;
    while (*at && *at != '"')
      at += at[0] == '\\' && at[1] ? 2 : 1;
    length = size_t(at - text);
    if (!take('"'))
      fail();
  }

  /// A value of any kind: brackets are counted, strings are jumped over.
  void skipValue() {
    int64_t depth = 0;
    const char *text;
    size_t length;
    do {
      skipSpace();
      if (!*at)
        return;
      if (*at == '"') {
        readString(text, length);
      } else if (strchr("{[", *at)) {
        ++depth;
        ++at;
      } else if (strchr("}]", *at)) {
        --depth;
        ++at;
      } else if (strchr(",:", *at)) {
        ++at;
      } else {
        at += strcspn(at, ",:{}[]\" \t\r\n");
      }
    } while (depth > 0);
  }

  /// Moves to the value of `key` in an object that begins here.
  bool enter(const char *key) {
    if (!take('{'))
      return false;
    while (*at && !take('}')) {
      const char *text;
      size_t length;
      skipSpace();
      readString(text, length);
      if (!take(':'))
        return false;
      if (length == strlen(key) && strncmp(text, key, length) == 0)
        return true;
      skipValue();
      if (!take(',') && *at != '}')
        return false;
    }
    return false;
  }

  bool readNumber(int32_t &value) {
    skipSpace();
    char *end;
    long number = strtol(at, &end, 10);
    if (end == at || number < INT32_MIN || number > INT32_MAX)
      return false;
    at = end;
    value = int32_t(number);
    return true;
  }
};

/// Moves to the value of a key of generation_config.
bool enterGeneration(Cursor &cursor, const char *key) {
  return cursor.at && cursor.enter("generation_config") && cursor.enter(key);
}

} // namespace

int32_t transom::readStartId(const char *metadata) {
  const char *const keys[] = {"decoder_start_token_id", "bos_token_id"};
  for (const char *key : keys) {
    Cursor cursor{metadata};
    int32_t id;
    if (enterGeneration(cursor, key) && cursor.readNumber(id))
      return id;
  }
  return -1;
}

int32_t transom::readEosIds(const char *metadata, int32_t *ids, int32_t most) {
  Cursor cursor{metadata};
  if (!enterGeneration(cursor, "eos_token_id"))
    return 0;
  int32_t count = 0, id;
  bool isList = cursor.take('[');
  while (cursor.readNumber(id)) {
    if (count < most)
      ids[count] = id;
    ++count;
    if (!isList || !cursor.take(','))
      break;
  }
  return count;
}
