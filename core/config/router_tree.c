#include "base/arena.h"
#include "base/check.h"
#include "config/router_rules.h"

static struct gw_path_node *new_node(struct gw_arena *arena, struct gw_slice label)
{
    struct gw_path_node *node = gw_arena_alloc_zero(arena, sizeof(*node));

    node->label = label;
    return node;
}

static void grow(struct gw_arena *arena, struct gw_path_node *node)
{
    unsigned capacity = node->child_capacity ? node->child_capacity * 2 : 2;
    unsigned char *bytes = gw_arena_alloc(arena, capacity);
    struct gw_path_node **children =
        gw_arena_alloc(arena, capacity * sizeof(struct gw_path_node *));

    if (node->children) {
        memcpy(bytes, node->bytes, node->child_count);
        memcpy(children, node->children, node->child_count * sizeof(struct gw_path_node *));
    }
    node->bytes = bytes;
    node->children = children;
    node->child_capacity = capacity;
}

static void add_child(struct gw_arena *arena, struct gw_path_node *node, struct gw_path_node *child)
{
    GW_ASSERT(child->label.ptr);
    if (!node->children || node->child_count == node->child_capacity)
        grow(arena, node);
    node->bytes[node->child_count] = (unsigned char)child->label.ptr[0];
    node->children[node->child_count++] = child;
}

static struct gw_path_node **find_child(const struct gw_path_node *node, char byte)
{
    unsigned char *found =
        node->child_count ? memchr(node->bytes, (unsigned char)byte, node->child_count) : NULL;

    return found ? &node->children[found - node->bytes] : NULL;
}

static size_t common_length(struct gw_slice a, struct gw_slice b)
{
    size_t len = 0;

    while (len < a.len && len < b.len && a.ptr[len] == b.ptr[len])
        len++;
    return len;
}

/* Puts a node between `*place` and its parent, at `len` bytes of its label. */
static struct gw_path_node *split(struct gw_arena *arena, struct gw_path_node **place, size_t len)
{
    struct gw_path_node *below = *place;
    struct gw_path_node *node = new_node(arena, gw_slice(below->label.ptr, len));

    below->label = gw_slice_skip(below->label, len);
    add_child(arena, node, below);
    *place = node;
    return node;
}

/* The node for exactly these bytes, made when it is not there. The key must live as long as the
 * tree. */
struct gw_path_node *gw_path_node_at(struct gw_arena *arena, struct gw_path_node *root,
                                     struct gw_slice key)
{
    struct gw_path_node *node = root;

    while (key.len) {
        struct gw_path_node **place = find_child(node, key.ptr[0]);

        if (!place) {
            struct gw_path_node *leaf = new_node(arena, key);

            add_child(arena, node, leaf);
            return leaf;
        }
        size_t len = common_length((*place)->label, key);

        node = len < (*place)->label.len ? split(arena, place, len) : *place;
        key = gw_slice_skip(key, len);
    }
    return node;
}

const struct gw_path_node *gw_path_node_next(const struct gw_path_node *node, struct gw_slice path,
                                             size_t depth)
{
    if (depth >= path.len)
        return NULL;
    struct gw_path_node **place = find_child(node, path.ptr[depth]);

    if (!place || !gw_slice_starts_with(gw_slice_skip(path, depth), (*place)->label))
        return NULL;
    return *place;
}
