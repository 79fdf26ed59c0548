//===- Profile.cpp - launch records and their JSON ------------------------===//
#include "runtime/launch/Profile.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace transom;

void Profile::addLaunch(const char *layer, const transom_kernel *kernel,
                        int64_t time, double flops) {
  auto matches = [&](const Record &record) {
    return record.kernel == kernel && strcmp(record.layer, layer) == 0;
  };
  size_t found = next;
  if (found >= count || !matches(records[found]))
    for (found = 0; found < count && !matches(records[found]);)
      ++found;
  if (found == count) {
    if (count == capacity) {
      size_t grown = capacity ? 2 * capacity : 256;
      auto *memory =
          static_cast<Record *>(realloc(records, grown * sizeof(Record)));
      if (!memory) {
        incomplete = true;
        return;
      }
      records = memory;
      capacity = grown;
    }
    records[count++] = {layer, kernel, 0, 0, 0};
  }
  Record &record = records[found];
  ++record.calls;
  record.nanoseconds += time;
  record.flops += flops;
  next = found + 1;
}

void Profile::endRun(int64_t rows, int64_t batch, int64_t time) {
  ++runs;
  tokens += rows;
  sequences += batch;
  nanoseconds += time;
}

/// printf of floating-point numbers follows the application's locale, JSON has
/// points: numbers with decimals are printed as two integers.
#define TRANSOM_SECONDS "%lld.%09lld"
static long long whole(int64_t nanoseconds) { return nanoseconds / 1000000000; }
static long long part(int64_t nanoseconds) { return nanoseconds % 1000000000; }

bool Profile::append(const char *format, ...) {
  for (;;) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = textCapacity - textLength;
    int written =
        vsnprintf(text ? text + textLength : nullptr, room, format, arguments);
    va_end(arguments);
    if (written < 0)
      return false;
    if (size_t(written) < room) {
      textLength += size_t(written);
      return true;
    }
    size_t grown = 2 * textCapacity + size_t(written) + 1;
    auto *memory = static_cast<char *>(realloc(text, grown));
    if (!memory)
      return false;
    text = memory;
    textCapacity = grown;
  }
}

bool Profile::appendString(const char *string) {
  if (!append("\""))
    return false;
  for (; *string; ++string) {
    unsigned char c = static_cast<unsigned char>(*string);
    bool good = c == '"' || c == '\\' ? append("\\%c", c)
                : c < 0x20            ? append("\\u%04x", c)
                                      : append("%c", c);
    if (!good)
      return false;
  }
  return append("\"");
}

const char *Profile::write(int32_t threads) {
  textLength = 0;
  bool good = append("{\"threads\": %d, \"runs\": %lld, \"tokens\": %lld, "
                     "\"sequences\": %lld, \"seconds\": " TRANSOM_SECONDS ", "
                     "\"complete\": %s,\n \"launches\": [",
                     threads, (long long)runs, (long long)tokens,
                     (long long)sequences, whole(nanoseconds),
                     part(nanoseconds), incomplete ? "false" : "true");
  for (size_t i = 0; i < count && good; ++i) {
    const Record &record = records[i];
    // Flops a nanosecond are GFLOP/s.
    int64_t rate =
        record.nanoseconds > 0
            ? int64_t(1000 * record.flops / double(record.nanoseconds))
            : 0;
    good = append("%s\n  {\"layer\": ", i ? "," : "") &&
           appendString(record.layer) && append(", \"kernel\": ") &&
           appendString(record.kernel->name) &&
           append(", \"calls\": %lld, \"seconds\": " TRANSOM_SECONDS
                  ", \"flops\": %.0f, \"gflops\": %lld.%03lld}",
                  (long long)record.calls, whole(record.nanoseconds),
                  part(record.nanoseconds), record.flops,
                  (long long)(rate / 1000), (long long)(rate % 1000));
  }
  good = good && append("]}\n");
  return good ? text : nullptr;
}

void Profile::release() {
  free(records);
  free(text);
  *this = Profile();
}
