#pragma once
/* A doubly linked list of nodes that live in the structs they link. */
#include "base/check.h"

#include <stdbool.h>

struct gw_list_node {
    struct gw_list_node *prev, *next; /* NULL while in no list */
};

struct gw_list {
    struct gw_list_node root;
};

static inline void gw_list_init(struct gw_list *list)
{
    list->root.prev = list->root.next = &list->root;
}

static inline bool gw_list_empty(const struct gw_list *list)
{
    return list->root.next == &list->root;
}

static inline bool gw_list_linked(const struct gw_list_node *node)
{
    return node->next != NULL;
}

static inline void gw_list_insert_before(struct gw_list_node *where, struct gw_list_node *node)
{
    GW_ASSERT(!gw_list_linked(node));
    node->prev = where->prev;
    node->next = where;
    where->prev->next = node;
    where->prev = node;
}

static inline void gw_list_append(struct gw_list *list, struct gw_list_node *node)
{
    gw_list_insert_before(&list->root, node);
}

static inline void gw_list_prepend(struct gw_list *list, struct gw_list_node *node)
{
    gw_list_insert_before(list->root.next, node);
}

/* Does nothing when the node is in no list. */
static inline void gw_list_remove(struct gw_list_node *node)
{
    if (!gw_list_linked(node))
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

/* NULL when empty. */
static inline struct gw_list_node *gw_list_first(const struct gw_list *list)
{
    return gw_list_empty(list) ? NULL : list->root.next;
}

static inline struct gw_list_node *gw_list_last(const struct gw_list *list)
{
    return gw_list_empty(list) ? NULL : list->root.prev;
}

/* The current node may be removed while iterating; others may not. */
#define GW_LIST_EACH(list, node)                                                                   \
    for (struct gw_list_node *node = (list)->root.next, *node##_next = node->next;                 \
         node != &(list)->root; node = node##_next, node##_next = node->next)
