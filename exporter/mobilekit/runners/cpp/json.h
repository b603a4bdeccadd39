// JSON: one line -> a value. Strict: refuses what the grammar does not know, and depths that no request has.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace json {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Kind { null, boolean, integer, real, text, list, object };

struct Value {
  Kind kind = Kind::null;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Value> list;
  std::map<std::string, Value> object;
};

class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}

  Value read() {
    Value value = one(0);
    space();
    if (at_ != line_.size()) fail("more than one value");
    return value;
  }

 private:
  static constexpr int kDeepest = 8;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error("not JSON at byte " + std::to_string(at_) + ": " + what);
  }

  void space() {
    while (at_ < line_.size() && std::string_view(" \t\r\n").find(line_[at_]) != std::string_view::npos) ++at_;
  }

  char peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }

  bool take(char wanted) {
    space();
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }

  void need(char wanted) {
    if (!take(wanted)) fail(std::string("expected ") + wanted);
  }

  bool word(std::string_view wanted) {
    if (line_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }

  Value one(int depth) {
    if (depth > kDeepest) fail("too deep");
    space();
    Value value;
    if (peek() == '{') {
      value.kind = Kind::object;
      members(value.object, depth);
    } else if (peek() == '[') {
      value.kind = Kind::list;
      elements(value.list, depth);
    } else if (peek() == '"') {
      value.kind = Kind::text;
      value.text = text();
    } else if (word("true")) {
      value.kind = Kind::boolean;
      value.boolean = true;
    } else if (word("false")) {
      value.kind = Kind::boolean;
    } else if (!word("null")) {
      number(value);
    }
    return value;
  }

  void members(std::map<std::string, Value>& object, int depth) {
    need('{');
    if (take('}')) return;
    do {
      space();
      std::string name = text();
      need(':');
      if (!object.emplace(name, one(depth + 1)).second) fail("the name " + name + " twice");
    } while (take(','));
    need('}');
  }

  void elements(std::vector<Value>& list, int depth) {
    need('[');
    if (take(']')) return;
    do {
      list.push_back(one(depth + 1));
    } while (take(','));
    need(']');
  }

  void number(Value& value) {
    const size_t start = at_;
    auto digits = [this] {
      const size_t before = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      if (at_ == before) fail("expected a value");
    };
    if (peek() == '-') ++at_;
    const bool zero = peek() == '0';
    const size_t whole = at_;
    digits();
    if (zero && at_ - whole > 1) fail("a number with a leading zero");
    bool real = false;
    if (peek() == '.') {
      real = true;
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      real = true;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    const std::string written(line_.substr(start, at_ - start));
    value.kind = real ? Kind::real : Kind::integer;
    value.real = std::strtod(written.c_str(), nullptr);
    if (!real) {
      if (at_ - whole > 18) fail("a number beyond 18 digits");
      value.integer = std::strtoll(written.c_str(), nullptr, 10);
    }
  }

  std::string text() {
    if (peek() != '"') fail("expected a string");
    ++at_;
    std::string found;
    while (true) {
      if (at_ >= line_.size()) fail("a string without an end");
      const unsigned char c = static_cast<unsigned char>(line_[at_++]);
      if (c == '"') return found;
      if (c < 0x20) fail("a control character in a string");
      if (c != '\\') {
        found += static_cast<char>(c);
        continue;
      }
      escape(found);
    }
  }

  void escape(std::string& found) {
    const char c = peek();
    ++at_;
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const size_t index = kFrom.find(c);
    if (c != '\0' && index != std::string_view::npos) {
      found += kTo[index];
    } else if (c == 'u') {
      uint32_t point = unit();
      if (point >= 0xD800 && point < 0xDC00) {
        if (!word("\\u")) fail("half a surrogate pair");
        const uint32_t low = unit();
        if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      } else if (point >= 0xDC00 && point < 0xE000) {
        fail("half a surrogate pair");
      } else if (point == 0) {
        fail("U+0000 in a string");
      }
      utf8(found, point);
    } else {
      fail("an unknown escape");
    }
  }

  uint32_t unit() {
    uint32_t point = 0;
    for (int i = 0; i < 4; ++i) {
      static constexpr std::string_view kHex = "0123456789abcdef";
      char c = peek();
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
      const size_t digit = c == '\0' ? std::string_view::npos : kHex.find(c);
      if (digit == std::string_view::npos) fail("\\u needs four hexadecimal digits");
      point = point * 16 + static_cast<uint32_t>(digit);
      ++at_;
    }
    return point;
  }

  static void utf8(std::string& found, uint32_t point) {
    if (point < 0x80) {
      found += static_cast<char>(point);
      return;
    }
    const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    found += static_cast<char>(kLead[more] | (point >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) found += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3F));
  }

  std::string_view line_;
  size_t at_ = 0;
};

// An object's fields, each asked for once; `done` refuses those that nobody asked for.
class Fields {
 public:
  Fields(const Value& value, std::string what) : left_(value.object), what_(std::move(what)) {
    if (value.kind != Kind::object) throw Error(what_ + " is not an object");
  }

  std::string text(const std::string& name) { return need(name, Kind::text).text; }

  int64_t whole(const std::string& name, int64_t least) {
    const int64_t number = need(name, Kind::integer).integer;
    if (number < least) throw Error(what_ + "." + name + " must be at least " + std::to_string(least));
    return number;
  }

  double real(const std::string& name) {
    const Value value = take(name);
    if (value.kind != Kind::real && value.kind != Kind::integer) throw Error(what_ + "." + name + " is not a number");
    return value.real;
  }

  std::vector<Value> list(const std::string& name) { return need(name, Kind::list).list; }

  Value take(const std::string& name) {
    const auto found = left_.find(name);
    if (found == left_.end()) throw Error(what_ + " lacks " + name);
    Value value = found->second;
    left_.erase(found);
    return value;
  }

  void done() const {
    if (!left_.empty()) throw Error(what_ + " has an unknown field: " + left_.begin()->first);
  }

 private:
  Value need(const std::string& name, Kind kind) {
    Value value = take(name);
    if (value.kind != kind) throw Error(what_ + "." + name + " is of the wrong type");
    return value;
  }

  std::map<std::string, Value> left_;
  std::string what_;
};

// A string as JSON has it. Bytes above ASCII go through as they are.
inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace json
