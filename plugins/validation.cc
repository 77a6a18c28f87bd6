/*
 * validation - judges every record by rules
 *
 *     rules=amount:number:0..100,name:string:1..64   field:type, or field:type:min..max; either end may be left out
 *     required=amount,name                           fields that must be there; the others are judged if they are
 *     allowed=country:de/us/jp,state:open/closed     the only texts that a field may have
 *     on_fail=fail                                   or drop: what becomes of a record that breaks a rule
 *
 * Types: int, number, string, bool, bytes, list, map, any. The range is for the number itself, for the bytes of a text,
 * for the length of a list or a map. A field has one line in `rules` at most. The reason names field, rule and value;
 * the codes: 1 not a map, 2 missing, 3 wrong type, 4 out of range, 5 not allowed.
 */
#include <cinttypes>
#include <cmath>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "proscenium_plugin.h"

/* clang-format off */
PSC_PLUGIN("validation", "1.0.0", "Judges every record by rules", "Proscenium", "MIT OR Apache-2.0",
    "{\"type\":\"object\",\"additionalProperties\":false,\"minProperties\":1,\"properties\":{"
    "\"rules\":{\"type\":\"string\",\"examples\":[\"amount:number:0..1000\"],\"description\":\"field:type[:min..max], with commas between\"},"
    "\"required\":{\"type\":\"string\",\"description\":\"fields that must be there, with commas between\"},"
    "\"allowed\":{\"type\":\"string\",\"description\":\"field:text/text, with commas between\"},"
    "\"on_fail\":{\"type\":\"string\",\"enum\":[\"fail\",\"drop\"],\"default\":\"fail\"}}}");
/* clang-format on */

namespace {

enum Code : uint32_t { NOT_A_MAP = 1, MISSING = 2, WRONG_TYPE = 3, OUT_OF_RANGE = 4, NOT_ALLOWED = 5 };
enum class Type { Any, Int, Number, String, Bool, Bytes, List, Map };

/* One bit each says which fields were seen. */
constexpr size_t MAX_FIELDS = 64;
constexpr double INF = std::numeric_limits<double>::infinity();

struct Named {
    std::string_view name;
    Type type;
};
constexpr Named TYPES[] = {{"any", Type::Any},       {"int", Type::Int},   {"number", Type::Number},
                           {"string", Type::String}, {"bool", Type::Bool}, {"bytes", Type::Bytes},
                           {"list", Type::List},     {"map", Type::Map}};

struct Rule {
    std::string field;
    std::string type_name = "any";
    Type type = Type::Any;
    double min = -INF, max = INF;
    bool has_range = false;
    bool required = false;
    bool has_line = false;
    std::vector<std::string> allowed;
};

/* A parameter that is wrong; its text goes to the host. */
struct Wrong {
    std::string text;
};

struct Validation {
    std::vector<Rule> rules;
    bool drops = false;
};

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (size_t end; (end = text.find(at)) != std::string_view::npos; text.remove_prefix(end + 1))
        parts.push_back(text.substr(0, end));
    parts.push_back(text);
    return parts;
}

Rule &rule_of(Validation &v, std::string_view field, const char *param) {
    if (field.empty()) throw Wrong{std::string(param) + ": a field without a name"};
    for (Rule &rule : v.rules)
        if (rule.field == field) return rule;
    if (v.rules.size() == MAX_FIELDS) throw Wrong{std::string(param) + ": more than 64 fields"};
    v.rules.emplace_back();
    v.rules.back().field = std::string(field);
    return v.rules.back();
}

double limit(std::string_view text, double otherwise, std::string_view line) {
    if (text.empty()) return otherwise;
    const std::string copy(text);
    char *end = nullptr;
    double number = std::strtod(copy.c_str(), &end);
    if (*end != '\0' || !std::isfinite(number))
        throw Wrong{"rules: `" + std::string(line) + "`: `" + copy + "` is not a number"};
    return number;
}

void read_rule(Validation &v, std::string_view line) {
    const auto parts = split(line, ':');
    if (parts.size() < 2 || parts.size() > 3)
        throw Wrong{"rules: `" + std::string(line) + "` is not field:type or field:type:min..max"};
    Rule &rule = rule_of(v, parts[0], "rules");
    if (rule.has_line) throw Wrong{"rules: `" + rule.field + "` is there twice"};
    rule.has_line = true;
    rule.type_name = std::string(parts[1]);
    bool is_known = false;
    for (const Named &named : TYPES)
        if (named.name == parts[1]) is_known = true, rule.type = named.type;
    if (!is_known)
        throw Wrong{"rules: `" + std::string(line) + "`: no such type; int, number, string, bool, bytes, list, map and any are"};
    if (parts.size() == 2) return;
    const size_t dots = parts[2].find("..");
    if (dots == std::string_view::npos)
        throw Wrong{"rules: `" + std::string(line) + "`: a range is min..max, min.. or ..max"};
    if (rule.type == Type::Any || rule.type == Type::Bool)
        throw Wrong{"rules: `" + std::string(line) + "`: this type has no range"};
    rule.has_range = true;
    rule.min = limit(parts[2].substr(0, dots), -INF, line);
    rule.max = limit(parts[2].substr(dots + 2), INF, line);
    if (rule.min > rule.max) throw Wrong{"rules: `" + std::string(line) + "`: nothing lies in that range"};
}

void read_allowed(Validation &v, std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) throw Wrong{"allowed: `" + std::string(line) + "` is not field:text/text"};
    Rule &rule = rule_of(v, line.substr(0, colon), "allowed");
    for (std::string_view text : split(line.substr(colon + 1), '/')) rule.allowed.emplace_back(text);
}

void read_parameter(Validation &v, std::string_view key, std::string_view value) {
    if (key == "rules") {
        for (std::string_view line : split(value, ',')) read_rule(v, line);
    } else if (key == "required") {
        for (std::string_view field : split(value, ',')) rule_of(v, field, "required").required = true;
    } else if (key == "allowed") {
        for (std::string_view line : split(value, ',')) read_allowed(v, line);
    } else if (key == "on_fail") {
        if (value != "fail" && value != "drop")
            throw Wrong{"on_fail = `" + std::string(value) + "`: fail or drop"};
        v.drops = value == "drop";
    } else {
        throw Wrong{"`" + std::string(key) + "` is no parameter of mine; rules, required, allowed and on_fail are"};
    }
}

bool is_of(Type type, uint32_t kind) {
    switch (type) {
    case Type::Int: return kind == PSC_MP_INT || kind == PSC_MP_UINT;
    case Type::Number: return kind == PSC_MP_INT || kind == PSC_MP_UINT || kind == PSC_MP_FLOAT;
    case Type::String: return kind == PSC_MP_STR;
    case Type::Bool: return kind == PSC_MP_BOOL;
    case Type::Bytes: return kind == PSC_MP_BIN;
    case Type::List: return kind == PSC_MP_ARRAY;
    case Type::Map: return kind == PSC_MP_MAP;
    case Type::Any: break;
    }
    return true;
}

const char *kind_name(uint32_t kind) {
    static const char *const names[] = {"nil", "bool", "int", "int", "number", "string", "bytes", "extension", "list", "map"};
    return kind < sizeof names / sizeof *names ? names[kind] : "something else";
}

/* Judges records of one batch, and counts those that break a rule. */
class Judge {
  public:
    Judge(const Validation &validation, RecordBatch *batch) : validation_(validation), batch_(batch) {}

    uint64_t rejected() const { return rejected_; }

    void judge(PscRecord *r) {
        const uint8_t *p = psc_payload(batch_, r), *end = p + r->len;
        PscValue head;
        const bool is_msgpack = psc_content(batch_, r) == PSC_CONTENT_MSGPACK;
        if (!is_msgpack || psc_mp_skip(p, end) != end || (p = psc_mp_read(p, end, &head)) == nullptr || head.kind != PSC_MP_MAP)
            return reject(r, NOT_A_MAP, "the payload is not one MessagePack map");
        uint64_t seen = 0;
        for (uint32_t left = head.len; left != 0; left--) {
            PscValue key, value;
            const uint8_t *at = psc_mp_skip(p, end);
            (void)psc_mp_read(p, end, &key);
            (void)psc_mp_read(at, end, &value);
            if (key.kind == PSC_MP_STR && !holds(r, key, value, seen)) return;
            p = psc_mp_skip(at, end);
        }
        for (size_t i = 0; i < validation_.rules.size(); i++)
            if (validation_.rules[i].required && (seen >> i & 1u) == 0)
                return reject(r, MISSING, "%s: missing", validation_.rules[i].field.c_str());
    }

  private:
    bool holds(PscRecord *r, const PscValue &key, const PscValue &value, uint64_t &seen) {
        const std::string_view name(PSC_PTR(const char *, key.ptr), key.len);
        for (size_t i = 0; i < validation_.rules.size(); i++) {
            const Rule &rule = validation_.rules[i];
            if (rule.field != name) continue;
            seen |= uint64_t{1} << i;
            return keeps(r, rule, value);
        }
        return true;
    }

    bool keeps(PscRecord *r, const Rule &rule, const PscValue &value) {
        const char *field = rule.field.c_str();
        if (!is_of(rule.type, value.kind)) {
            reject(r, WRONG_TYPE, "%s: %s, not %s", field, kind_name(value.kind), rule.type_name.c_str());
            return false;
        }
        double size = value.len;
        const bool is_number = psc_mp_number(&value, &size);
        /* Turned round, so that NaN lies in no range. */
        if (rule.has_range && !(size >= rule.min && size <= rule.max)) {
            reject(r, OUT_OF_RANGE, "%s: %s%g is not within %g..%g", field, is_number ? "" : "a length of ", size, rule.min, rule.max);
            return false;
        }
        if (rule.allowed.empty()) return true;
        if (value.kind == PSC_MP_STR)
            for (const std::string &text : rule.allowed)
                if (psc_mp_is(&value, text.c_str())) return true;
        const bool is_text = value.kind == PSC_MP_STR;
        const int shown = is_text ? static_cast<int>(value.len < 64 ? value.len : 64) : 0;
        reject(r, NOT_ALLOWED, "%s: `%.*s`%s is not among the allowed texts", field, shown,
               is_text ? PSC_PTR(const char *, value.ptr) : "", is_text ? "" : " (no text)");
        return false;
    }

    PSC_PRINTF(4, 5)
    void reject(PscRecord *r, Code code, const char *fmt, ...) {
        char text[512];
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        rejected_++;
        if (validation_.drops) psc_drop(batch_, r, text);
        else psc_fail(batch_, r, code, text);
    }

    const Validation &validation_;
    RecordBatch *batch_;
    uint64_t rejected_ = 0;
};

}  // namespace

int init_plugin(PluginContext *ctx) {
    auto *v = new (std::nothrow) Validation;
    if (v == nullptr) return PSC_ERR_NOMEM;
    int code = PSC_OK;
    try { /* No exception may leave the plugin. */
        for (uint32_t i = 0; i < ctx->param_count; i++) read_parameter(*v, ctx->params[i].key, ctx->params[i].value);
        if (v->rules.empty()) throw Wrong{"no rule at all: give rules, required or allowed"};
    } catch (const Wrong &wrong) {
        code = psc_error(ctx, PSC_ERR_CONFIG, "%s", wrong.text.c_str());
    } catch (const std::bad_alloc &) {
        code = PSC_ERR_NOMEM;
    }
    if (code == PSC_OK) ctx->user = v;
    else delete v;
    return code;
}

void cleanup_plugin(PluginContext *ctx) { delete static_cast<Validation *>(ctx->user); }

int process_batch(RecordBatch *batch, PluginContext *ctx) {
    Judge judge(*static_cast<const Validation *>(ctx->user), batch);
    PSC_FOR_EACH(batch, r) judge.judge(r);
    if (judge.rejected() != 0) ctx->count(ctx, "validation_rejected", judge.rejected());
    return PSC_OK;
}
