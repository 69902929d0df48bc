// redact_json: fields of JSON responses that nobody outside must see.
#include "proxy_wasm.hpp"

#include <algorithm>
#include <cctype>

using namespace proxy_wasm;

constexpr std::string_view FIELDS[] = {"password", "token", "ssn"};
constexpr std::string_view HIDDEN = "\"***\"";

// Goes through a JSON text once and copies all but what is hidden.  Open objects and arrays are a string of brackets:
// depth costs a byte, and no text can make the stack overflow.
class Redaction {
 public:
  explicit Redaction(std::string_view text) : text_(text) {}

  // The text with its secrets hidden; nothing if there are none, or if it is no JSON.
  std::optional<std::string> run() {
    if (!value()) return std::nullopt;
    while (!open_.empty()) {
      if (take(open_.back() == '{' ? '}' : ']')) {
        open_.pop_back();
        value_ended();
      } else if (!(first_ || take(',')) || !member()) {
        return std::nullopt;
      }
    }
    blank();
    if (!found_ || at_ != text_.size()) return std::nullopt;
    return out_.append(text_.substr(copied_));
  }

 private:
  // What stands between two commas.
  bool member() {
    if (open_.back() == '[') return value();
    std::string name;
    blank();
    if (!string(&name) || !take(':')) return false;
    bool hides = std::find(std::begin(FIELDS), std::end(FIELDS), name) != std::end(FIELDS);
    if (hides && !hiding_) {
      out_.append(text_.substr(copied_, at_ - copied_)).append(HIDDEN);
      hiding_ = open_.size();
      found_ = true;
    }
    return value();
  }

  // A value; of an object or array only the bracket that opens it.
  bool value() {
    blank();
    char begin = at_ < text_.size() ? text_[at_] : '\0';
    first_ = begin == '{' || begin == '[';
    if (first_) {
      open_.push_back(begin);
      at_++;
      return true;
    }
    bool good = begin == '"' ? string(nullptr) : word();
    value_ended();
    return good;
  }

  void value_ended() {
    first_ = false;
    if (hiding_ != open_.size() || !hiding_) return;
    hiding_ = 0;
    copied_ = at_;
  }

  // A string, with its escapes resolved if it is wanted.
  bool string(std::string *wanted) {
    if (at_ == text_.size() || text_[at_] != '"') return false;
    for (at_++; at_ < text_.size(); at_++) {
      char letter = text_[at_];
      if (letter == '"') return at_++, true;
      if (uint8_t(letter) < 0x20) return false;
      if (letter == '\\' && !escape(&letter)) return false;
      if (wanted != nullptr) wanted->push_back(letter);
    }
    return false;
  }

  // What a backslash stands for.  No field that is looked for has letters beyond ASCII: those are all '?'.
  bool escape(char *letter) {
    constexpr std::string_view SHORT = "\"\\/bfnrt", MEANT = "\"\\/\b\f\n\r\t";
    if (++at_ == text_.size()) return false;
    if (size_t which = SHORT.find(text_[at_]); which != SHORT.npos) return *letter = MEANT[which], true;
    if (text_[at_] != 'u' || text_.size() - at_ < 5) return false;
    unsigned code = 0;
    for (int digits = 4; digits > 0; digits--) {
      int digit = text_[++at_];
      if (!isxdigit(digit)) return false;
      code = code * 16 + unsigned(isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10);
    }
    *letter = code < 0x80 ? char(code) : '?';
    return true;
  }

  // A number, or one of the three names.
  bool word() {
    for (std::string_view name : {"true", "false", "null"})
      if (text_.substr(at_, name.size()) == name) return at_ += name.size(), true;
    if (at_ < text_.size() && text_[at_] == '-') at_++;
    if (at_ < text_.size() && text_[at_] == '0') at_++;
    else if (!digits()) return false;
    if (at_ < text_.size() && text_[at_] == '.' && (at_++, !digits())) return false;
    if (at_ < text_.size() && tolower(text_[at_]) == 'e') {
      at_++;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) at_++;
      return digits();
    }
    return true;
  }
  bool digits() {
    size_t begin = at_;
    while (at_ < text_.size() && isdigit(uint8_t(text_[at_]))) at_++;
    return at_ > begin;
  }

  bool take(char wanted) {
    blank();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    at_++;
    return true;
  }
  void blank() {
    while (at_ < text_.size() && strchr(" \t\r\n", text_[at_]) != nullptr && text_[at_] != '\0') at_++;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t copied_ = 0;   // up to here the text is in out_, or hidden
  std::string open_;    // the brackets around this place
  size_t hiding_ = 0;   // how many there were around the value that is being hidden; 0: none is
  bool first_ = false;  // a bracket has just been opened: no comma comes before what follows
  bool found_ = false;
  std::string out_;
};

struct RedactRoot : Root {
  Metric redacted = counter("redact_json.redacted");
};

// Buffers JSON responses up to the connection's buffer limit; other responses flow past.
struct RedactJson : Stream {
  using Root = RedactRoot;

  explicit RedactJson(Root &root) : root(root) {}

  Action on_response_headers(bool end) {
    is_json = !end && kind() == "application/json" && !response.get("content-encoding");
    if (is_json) response.remove("content-length");
    return Action::Continue;
  }
  Action on_response_body(size_t size, bool end) {
    if (is_json && !end) return Action::Pause;
    if (is_json) redact();
    return Action::Continue;
  }
  Action on_response_trailers() {
    if (is_json) redact();
    return Action::Continue;
  }

  static std::string kind() {
    std::string type = response.get("content-type").value_or("");
    type.resize(std::min(type.size(), type.find(';')));
    while (!type.empty() && isspace(uint8_t(type.back()))) type.pop_back();
    for (char &letter : type) letter = char(tolower(letter));
    return type;
  }

  void redact() const {
    std::string body = response_body.get();
    auto hidden = Redaction(body).run();
    if (!hidden) return;
    root.redacted.add();
    response_body.set(*hidden);
  }

  Root &root;
  bool is_json = false;
};

PROXY_WASM_FILTER(RedactJson, response_headers, response_body, response_trailers)
